"""The columns of the model: a program is its number (0 or more), and the rest is negative."""

from __future__ import annotations

from typing import Final

IDLE: Final = -1
SCREEN: Final = -2
"""Brightness, 0 to 1"""
SCREEN_ON: Final = -3
"""1 where the brightness is above 0"""
AWAKE: Final = -4
"""min(1, busy cores): what a first busy core costs beyond its program"""
OTHERS: Final = -5
"""Busy cores of programs that have no column"""
KERNEL: Final = -6
"""Busy cores that no program accounts for"""
POWER: Final = -7
"""What is learned: the power of the battery"""
ONE: Final = -8
"""1 for each block"""
HOURS: Final = -9
RESIDUAL: Final = -10
BEFORE: Final = -11
"""The residual of the block before"""
POWER_LAG: Final = -12
"""With k: changes of power times changes of load k samples before"""
LOAD_LAG: Final = -13
"""With k: changes of load times changes of load k samples before"""
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
