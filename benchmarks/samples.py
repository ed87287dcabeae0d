"""Simulated samples of a handheld with four cores, a battery and ten processes per sample.

``python -m benchmarks.samples FIRST COUNT TIME`` prints them in the format of telemetry-writer --import.
"""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Iterator
from typing import Final

from telemetry.sample import Battery, Cpu, Health, Process, Sample, encode

INTERVAL: Final = 5.0
"""s"""
CORES: Final = 4
TOP: Final = 10
RUN: Final = "4f7c1d2e9a3b5c68"
HOST: Final = "handheld"
BOOT: Final = "3c9c0f0e-7b1c-4a7f-9d56-0d9e5f0a1b2c"
_PER_DAY: Final = int(86400 / INTERVAL)

_STEADY: Final = ("firefox", "Xorg", "pulseaudio", "python3", "telemetry-sampler", "wpa_supplicant")
"""Processes that are nearly always listed."""
_OTHERS: Final = (
    *("systemd", "dbus-daemon", "kwin_wayland", "code", "node", "bash", "sshd", "git", "cc1", "ld", "make"),
    *("vim", "chromium", "mpv", "NetworkManager", "systemd-journal", "rcu_preempt", "ksoftirqd/0", "cron"),
    *(f"kworker/{core}:{number}-events" for core in range(CORES) for number in range(6)),
    *(f"kworker/u8:{number}-{queue}" for number in range(8) for queue in ("flush-179:0", "events_unbound")),
    *(f"tool-{number}" for number in range(20)),
)
_SYSTEM: Final = {
    "telemetry-sampler": ("telemetry-sampler", "telemetry"),
    "wpa_supplicant": ("wpa_supplicant", "root"),
    "Xorg": ("display-manager", "root"),
    "systemd": (None, "root"),
    "dbus-daemon": ("dbus", "messagebus"),
    "sshd": ("ssh", "root"),
    "NetworkManager": ("NetworkManager", "root"),
    "systemd-journal": ("systemd-journald", "root"),
    "cron": ("cron", "root"),
}
"""App and user of processes outside the user's desktop"""
_APPS: Final = {"firefox", "code", "chromium", "mpv", "pulseaudio"}
_PARENTS: Final = frozenset({"bash", "make", "git"})
_WEIGHTS: Final = [1.0 / (rank + 1) for rank in range(len(_OTHERS))]
_DISCHARGE: Final = 4 * 3600.0
_CHARGE: Final = 2 * 3600.0
"""s from full to empty and back"""


def samples(first: int, count: int, start: float, run: str = RUN) -> Iterator[Sample]:
    """Yield ``count`` samples from seq ``first`` on, 5 s apart; ``start`` is the Unix time of seq 0.

    The same arguments give the same samples. Values have as many digits as the sampler's.
    """
    for seq in range(first, first + count):
        draw = random.Random(seq)
        time = start + seq * INTERVAL + draw.uniform(0.0, 0.002)
        busy = draw.betavariate(1.2, 6.0) * 100.0
        cores = [round(min(busy * draw.uniform(0.4, 1.8), 100.0), 2) for _ in range(CORES)]
        yield Sample(
            host=HOST,
            boot_id=BOOT,
            run=run,
            seq=seq,
            ts=int(time),
            time=round(time, 6),
            interval=round(INTERVAL + draw.uniform(-0.001, 0.001), 6),
            suspended=0.0,
            battery=_battery(seq * INTERVAL, busy, draw),
            cpu=Cpu(
                total=round(sum(cores) / CORES, 2),
                cores=tuple(cores),
                freq=float(draw.choice((600, 1000, 1500))),
                temp=round(45.0 + busy / 4.0 + draw.uniform(-0.5, 0.5), 3),
                unowned=round(draw.uniform(0.0, 0.4), 2),
            ),
            load=(round(busy / 25.0, 2), round(busy / 30.0, 2), round(busy / 35.0, 2)),
            processes=_processes(seq, busy, draw),
            on_ac=False,
            governor="ondemand",
            brightness=60.0,
            radios={"bluetooth": True, "wlan": True},
            throttled=(),
        )


def _battery(elapsed: float, busy: float, draw: random.Random) -> Battery:
    at = elapsed % (_DISCHARGE + _CHARGE)
    discharging = at < _DISCHARGE
    fill = 1.0 - at / _DISCHARGE if discharging else (at - _DISCHARGE) / _CHARGE
    voltage = round(3.4 + 0.8 * fill + draw.uniform(-0.01, 0.01), 4)
    current = -0.4 - busy / 80.0 if discharging else 1.2 - busy / 100.0
    current = round(current + draw.uniform(-0.02, 0.02), 3)
    return Battery(
        name="axp20x-battery",
        status="Discharging" if discharging else "Charging",
        voltage=voltage,
        current=current,
        power=voltage * current,
        # Above 10 %, below which each sample is committed at once.
        pct=float(round(12.0 + 88.0 * fill)),
        method="voltage*current",
        health=Health(full=6.5, design=6.7, unit="Ah", cycles=None),
    )


def _processes(seq: int, busy: float, draw: random.Random) -> tuple[Process, ...]:
    names = list(_STEADY)
    while len(names) < TOP:
        (name,) = draw.choices(_OTHERS, _WEIGHTS)
        if name not in names:
            names.append(name)
    hour = seq // 720
    shares = sorted((draw.paretovariate(1.2) * busy / 12.0 for _ in names), reverse=True)
    found = {}
    for name, share in zip(names, shares, strict=True):
        # Short-lived ones are a new process each hour.
        pid, start, mem = _identity(name, 0 if name in _STEADY else hour)
        cpu = round(min(share, 100.0 * CORES), 2)
        children = round(draw.uniform(0.0, 3.0), 2) if name in _PARENTS else 0.0
        found[pid] = Process(pid, start, name, cpu, mem, children, *_owners(name))
    return tuple(found.values())


def _owners(name: str) -> tuple[str | None, str]:
    """Return app and user. Kernel threads and processes of a login session have no app."""
    if name.startswith(("kworker", "ksoftirqd", "rcu_")):
        return None, "root"
    return _SYSTEM.get(name, (name if name in _APPS else None, "user"))


@functools.lru_cache(maxsize=1024)
def _identity(name: str, hour: int) -> tuple[int, int, float]:
    """Return pid, start and share of memory."""
    draw = random.Random(f"{name} {hour}")
    mem = 0.0 if name.startswith("kworker") else round(draw.uniform(0.1, 9.0), 3)
    return draw.randrange(300, 32768), draw.randrange(1000, 100_000) + hour * 360_000, mem


def lines(first: int, count: int, start: float) -> Iterator[bytes]:
    """Yield samples as JSON lines, like ``samples``, but each day repeats the first, which is much faster."""
    identity = f'{{"v":1,"host":"{HOST}","boot_id":"{BOOT}","run":"{RUN}"'
    rests: dict[int, bytes] = {}
    for seq in range(first, first + count):
        at = seq % _PER_DAY
        if at not in rests:
            (sample,) = samples(at, 1, start)
            rests[at] = encode(sample).partition(b'"interval":')[2]
        time = start + seq * INTERVAL + 0.000123
        head = f'{identity},"seq":{seq},"ts":{int(time)},"time":{time:.6f},"interval":'
        yield head.encode() + rests[at] + b"\n"


def main() -> None:
    """Print samples as JSON lines: FIRST COUNT START."""
    first, count, start = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    sys.stdout.buffer.writelines(lines(first, count, start))


if __name__ == "__main__":
    main()
