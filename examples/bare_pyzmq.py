"""Reads the live stream with pyzmq alone. It misses samples that are published while it is not connected."""

import json
import sys

import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1] if len(sys.argv) > 1 else "ipc:///run/telemetry-logger/samples")
socket.subscribe("sample/")
while True:
    topic, body = socket.recv_multipart()
    sample = json.loads(body)
    print(sample["seq"], sample["cpu"]["total"], sample["battery"] and sample["battery"]["power"], flush=True)
