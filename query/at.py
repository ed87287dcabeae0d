"""``telemetry-query at``: what happened at one moment, on one screen."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from query import access
from query.moment import Moment, Row, gather
from query.moment_lines import lines
from query.options import PROGRAM
from query.output import look
from query.times import InvalidTimeError, parse_time
from query.values import number_of, plain
from telemetry.command import say
from telemetry.errors import UsageError


def run(given: Mapping[str, Any], now: float) -> None:
    """Print what happened at the time that was asked for. Raises UserError."""
    try:
        meant = parse_time(given["time"], now)
    except InvalidTimeError as error:
        raise UsageError(f"at: {error}") from None
    with access.opened(given, now) as source:
        found = gather(source.connection, source.parameters, meant[0])
    if given["format"] == "json":
        print(json.dumps(_data(found), indent=1))
        return
    for line in lines(found, look(given, now)):
        print(line)
    sys.stdout.flush()
    for remark in access.silence(source.committed):
        say(PROGRAM, remark)


def _data(moment: Moment) -> Row:
    """Return the moment for JSON; a row is an object with the names of its columns."""
    found = {**moment._asdict(), "events": [event._asdict() for event in moment.events]}
    cleaned: Row = _clean(found)
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inside) for inside in value]
    return number_of(value) if isinstance(value, float) else plain(value)
