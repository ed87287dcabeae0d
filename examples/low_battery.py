"""Warns when the battery falls to a percentage (default: 10), and again only after it was charged."""

import argparse
from pathlib import Path

from telemetry import places
from telemetry.sample import Sample
from telemetry.steady import SteadyPercent
from telemetry.stream.keys import client_keys
from telemetry.stream.subscriber import Subscriber

directory = places.runtime_directory()
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("low", type=float, nargs="?", default=10.0)
parser.add_argument("--subscribe", metavar="ENDPOINT", default=places.publish_endpoint(directory))
parser.add_argument("--replay", metavar="ENDPOINT", default=places.replay_endpoint(directory))
parser.add_argument("--server-key", metavar="FILE", type=Path, help="public key of a sampler at tcp://")
parser.add_argument("--key", metavar="FILE", type=Path, help="your private key for it")
given = parser.parse_args()

warned = False
steady = SteadyPercent()
endpoints = given.subscribe, given.replay
with Subscriber(*endpoints, keys=client_keys(given.server_key, given.key, endpoints)) as subscriber:
    for item in subscriber:
        # A gauge may report 0 % for a moment: a single 0 % gives no warning.
        if not isinstance(item, Sample) or not steady.take(item):
            continue
        battery = item.battery
        if battery is None or battery.pct is None:
            continue
        discharging = battery.power < 0 if battery.power is not None else battery.status == "Discharging"
        if discharging and battery.pct <= given.low and not warned:
            # Or: subprocess.run(["notify-send", "--urgency=critical", "Battery low"])
            print(f"battery low: {battery.pct:.0f} %", flush=True)
        warned = discharging and battery.pct <= given.low
