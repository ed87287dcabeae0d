"""Every sample once, in order, live and replayed, and the losses said."""

from telemetry import places
from telemetry.stream.joiner import Gap, Start
from telemetry.stream.subscriber import Subscriber

directory = places.runtime_directory()
endpoints = places.publish_endpoint(directory), places.replay_endpoint(directory)
with Subscriber(*endpoints, Start.OLDEST) as subscriber:
    for item in subscriber:
        if isinstance(item, Gap):
            print(f"lost: samples {item.first} to {item.last} of run {item.run}", flush=True)
        else:
            print(item.run, item.seq, item.cpu.total, flush=True)
