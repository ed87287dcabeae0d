"""Warns once when the battery falls to a percentage (10 unless given), and again after it was charged."""

import sys

from telemetry import places
from telemetry.sample import Sample
from telemetry.steady import SteadyPercent
from telemetry.stream.subscriber import Subscriber

low = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
directory = places.runtime_directory()
warned = False
steady = SteadyPercent()
with Subscriber(places.publish_endpoint(directory), places.replay_endpoint(directory)) as subscriber:
    for item in subscriber:
        # A gauge may say 0 % for a moment: that alone gives no warning.
        if not isinstance(item, Sample) or not steady.take(item):
            continue
        battery = item.battery
        if battery is None or battery.pct is None:
            continue
        discharging = battery.power < 0 if battery.power is not None else battery.status == "Discharging"
        if discharging and battery.pct <= low and not warned:
            # Or: subprocess.run(["notify-send", "--urgency=critical", "Battery low"])
            print(f"battery low: {battery.pct:.0f} %", flush=True)
        warned = discharging and battery.pct <= low
