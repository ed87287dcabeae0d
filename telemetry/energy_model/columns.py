"""The columns of the model: a program's column is its number (0 or more); other columns are negative."""

from __future__ import annotations

from typing import Final

IDLE: Final = -1
SCREEN: Final = -2
"""Brightness, 0 to 1"""
SCREEN_ON: Final = -3
"""1 where the brightness is above 0"""
AWAKE: Final = -4
"""min(1, busy cores): what the first busy core costs in addition to its program"""
OTHERS: Final = -5
"""Busy cores of programs that have no column"""
KERNEL: Final = -6
"""Busy cores that no program accounts for"""
POWER: Final = -7
"""The power of the battery, which the model explains"""
ONE: Final = -8
"""1 for each block"""
HOURS: Final = -9
RESIDUAL: Final = -10
BEFORE: Final = -11
"""The residual of the previous block"""
POWER_LAG: Final = -12
"""Paired with k: changes of power times changes of load k samples earlier"""
LOAD_LAG: Final = -13
"""Paired with k: changes of load times changes of load k samples earlier"""
UNATTRIBUTED: Final = -20
"""What was measured beyond the model"""

IN_BRACKETS: Final = {
    IDLE: "(idle)",
    SCREEN: "(screen)",
    KERNEL: "(kernel)",
    OTHERS: "(others)",
    UNATTRIBUTED: "(unattributed)",
}
"""What people read for a column that takes energy and is not a program"""
