"""What the sampler, the writer and the query command share and none of them owns."""

from typing import Final

__version__ = "0.1.0"

FIRST_RECORDING: Final = 1_577_836_800.0
"""Unix time of 2020: no recording of this program is older, so an older date is of a wrong clock."""

END_OF_TIME: Final = 253_402_300_800.0
"""Unix time of the year 10000: no calendar function goes past it, so no sample may."""
