"""Which cases of a test are left to the slow suite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def after(fast: int, cases: Iterable[Any]) -> list[Any]:
    """Return the cases of a parametrized test; those after the first ``fast`` ones are slow.

    For cases that take the same path through real processes or whole databases: one of them shows most
    faults, and the slow suite has them all.
    """
    return [
        pytest.param(
            *(case if isinstance(case, Sequence) and not isinstance(case, (str, bytes)) else (case,)),
            marks=[pytest.mark.slow] if number >= fast else [],
        )
        for number, case in enumerate(cases)
    ]
