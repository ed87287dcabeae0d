"""The code that the sampler, the writer and the query command share."""

from typing import Final

__version__ = "1.0.0"

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
"""s"""

FIRST_RECORDING: Final = 1_577_836_800.0
"""Unix time of 2020: no recording of this program is older, so an older date means a wrong clock."""

END_OF_TIME: Final = 253_402_300_800.0
"""Unix time of the year 10000: calendar functions end there, so samples must be earlier."""
