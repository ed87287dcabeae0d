"""Prints every sample once, in order, live and replayed, and reports losses."""

import argparse
from pathlib import Path

from telemetry import places
from telemetry.stream.joiner import Gap, Start
from telemetry.stream.keys import client_keys
from telemetry.stream.subscriber import Subscriber

directory = places.runtime_directory()
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--subscribe", metavar="ENDPOINT", default=places.publish_endpoint(directory))
parser.add_argument("--replay", metavar="ENDPOINT", default=places.replay_endpoint(directory))
parser.add_argument("--server-key", metavar="FILE", type=Path, help="public key of a sampler at tcp://")
parser.add_argument("--key", metavar="FILE", type=Path, help="your private key for it")
given = parser.parse_args()

endpoints = given.subscribe, given.replay
keys = client_keys(given.server_key, given.key, endpoints)
with Subscriber(*endpoints, Start.OLDEST, keys=keys) as subscriber:
    for item in subscriber:
        if isinstance(item, Gap):
            print(f"lost: samples {item.first} to {item.last} of run {item.run}", flush=True)
        else:
            print(item.run, item.seq, item.cpu.total, flush=True)
