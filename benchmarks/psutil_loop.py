"""psutil's documented loop over processes, once a second, as most programs use it."""

from __future__ import annotations

import time

import psutil

ATTRIBUTES = ["name", "cpu_percent", "memory_percent"]


def main() -> None:
    """Sweep at every whole second from the start, until killed."""
    due = time.monotonic()
    while True:
        [process.info for process in psutil.process_iter(ATTRIBUTES)]
        due += 1.0
        time.sleep(max(due - time.monotonic(), 0.0))


if __name__ == "__main__":
    main()
