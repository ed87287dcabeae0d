"""Reads the encrypted live stream of another machine with pyzmq alone. The sampler must list your key."""

import argparse
import json
from pathlib import Path

import zmq

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("endpoint", help="where the sampler publishes: tcp://192.0.2.7:5555")
parser.add_argument("--server-key", required=True, type=Path, help="file of the sampler's public key")
parser.add_argument("--key", required=True, type=Path, help="file of your private key")
given = parser.parse_args()

private = given.key.read_bytes().split()[1]  # private-key KEY
socket = zmq.Context().socket(zmq.SUB)
socket.curve_serverkey = given.server_key.read_bytes().split()[0]  # KEY NAME
socket.curve_secretkey = private
socket.curve_publickey = zmq.curve_public(private)
socket.connect(given.endpoint)
socket.subscribe("sample/")
while True:
    topic, body = socket.recv_multipart()
    sample = json.loads(body)
    print(sample["seq"], sample["cpu"]["total"], sample["battery"] and sample["battery"]["power"], flush=True)
