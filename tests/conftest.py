"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell's background job ignores SIGINT, and what is started from it does too: no test could interrupt it.
signal.signal(signal.SIGINT, signal.default_int_handler)
