"""For any message, decode raises only InvalidSample; what it accepts can be stored, encoded and validated."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators

import telemetry
from telemetry.sample import InvalidSample, Sample, decode, encode
from tests.strategies import samples, times
from tests.telemetry.messages import (
    JUNK,
    SURROGATE,
    Wire,
    json_values,
    mutated_bytes,
    mutated_wires,
    paths,
    replaced,
    to_bytes,
    wire,
    without,
)
from writer import ingest, schema

SCHEMA: Final[dict[str, Any]] = json.loads(
    (Path(telemetry.__file__).parent / "sample-v1.schema.json").read_text()
)
VALIDATOR: Final = Draft202012Validator(SCHEMA)
STRICT: Final = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda checker, value: type(value) is int
    ),
)(SCHEMA)
"""Follow the schema's description: integers are written without a fraction."""


TURNS: Final = pytest.mark.parametrize(
    "turn", [0, *(pytest.param(turn, marks=pytest.mark.slow) for turn in (1, 2))]
)
"""A third of the values, a different third at each place; the slow tests try the others."""


def accepted(body: bytes) -> Sample | None:
    """Return the sample, None if it is refused. Any exception but InvalidSample fails the test."""
    try:
        return decode(body)
    except InvalidSample as invalid:
        assert type(invalid) is InvalidSample  # noqa: PT017 not even a subclass
        assert str(invalid).isprintable()  # noqa: PT017
        return None


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    with schema.model() as connection:
        yield connection


def store(database: sqlite3.Connection, it: Sample) -> None:
    """Store rows as the writer would, and read them back."""
    database.execute("BEGIN")
    try:
        run = it.run, it.host, it.boot_id, it.ts, it.time - it.interval, 1
        database.execute(
            "INSERT INTO run (run_id, run, host, boot_id, first_ts, started, version) VALUES (7,?,?,?,?,?,?)",
            run,
        )
        for table, columns, rows in (
            ("system_sample", ingest.SYSTEM_COLUMNS, [tuple(ingest.system_row(it, it.ts, 7))]),
            ("cpu_core", ingest.CORE_COLUMNS, ingest.core_rows(it, it.ts)),
            ("process_sample", ingest.PROCESS_COLUMNS, ingest.process_rows(it, it.ts)),
            ("battery_pack", ingest.PACK_COLUMNS, ingest.pack_rows(it, it.ts)),
            ("battery_health", ingest.HEALTH_COLUMNS, [row for row in [ingest.health_row(it)] if row]),
        ):
            marks = ",".join("?" * (columns.count(",") + 1))
            database.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
            found = database.execute(f"SELECT {columns} FROM {table}").fetchall()
            assert sorted(found, key=repr) == sorted(rows, key=repr)
        assert database.execute("SELECT run, host, boot_id, first_ts FROM run").fetchone() == run[:4]
    finally:
        database.execute("ROLLBACK")


def holds(database: sqlite3.Connection, body: bytes) -> None:
    it = accepted(body)
    if it is None:
        return
    store(database, it)
    again = encode(it)
    assert decode(again) == it
    VALIDATOR.validate(json.loads(again))
    VALIDATOR.validate(json.loads(body))


ANYTHING: Final = st.one_of(
    mutated_bytes(),
    mutated_wires().map(to_bytes),
    st.binary(max_size=200),
    json_values.map(to_bytes),
    samples.map(encode),
)


@times(4)
@given(body=ANYTHING)
def test_any_message_is_decoded_or_refused(database: sqlite3.Connection, body: bytes) -> None:
    holds(database, body)


@TURNS
def test_every_flipped_byte_is_decoded_or_refused(database: sqlite3.Connection, turn: int) -> None:
    body = to_bytes(wire())
    for place in range(len(body)):
        bits = (0x01, 0x20, 0x80)[(place + turn) % 3]
        holds(database, body[:place] + bytes([body[place] ^ bits]) + body[place + 1 :])


def test_every_truncation_is_decoded_or_refused(database: sqlite3.Connection) -> None:
    body = to_bytes(wire())
    for end in range(len(body)):
        assert accepted(body[:end]) is None


# --- the JSON Schema -------------------------------------------------------------------------------


def test_the_schema_is_a_valid_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def beyond_the_schema(fields: Wire) -> bool:
    """Return whether decode refuses it for a reason that JSON Schema cannot express."""
    processes = fields.get("processes")
    pids = [process["pid"] for process in processes] if isinstance(processes, list) else []
    packs = (fields.get("battery") or {}).get("packs") or []
    names = [pack["name"] for pack in packs]
    return any(len(keys) != len(set(keys)) for keys in (pids, names)) or has_lone_surrogate(fields)


def has_lone_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def agree(fields: Wire) -> None:
    """Compare the verdicts of schema and decode on ``fields`` after encoding and parsing."""
    body = to_bytes(fields)
    if b"NaN" in body:
        return  # not valid JSON
    fields = json.loads(body)
    by_schema = STRICT.is_valid(fields) and not beyond_the_schema(fields)
    assert (accepted(body) is not None) == by_schema, list(STRICT.iter_errors(fields))


@pytest.mark.slow
@TURNS
def test_schema_and_decode_agree_on_every_field(turn: int) -> None:
    for number, path in enumerate(paths(wire())):
        agree(without(wire(), path))
        for junk in JUNK[(number + turn) % 3 :: 3]:
            agree(replaced(wire(), path, junk))


@times(4)
@given(mutated_wires())
def test_schema_and_decode_agree(fields: Wire) -> None:
    agree(fields)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("processes", 1, "pid"), 1, id="one pid twice"),
        pytest.param(("battery", "packs", 1, "name"), "a", id="one pack twice"),
        pytest.param(("host",), SURROGATE, id="a lone surrogate"),
        pytest.param(("seq",), 1.0, id="an integer with a fraction of zero: to the schema 1.0 is 1"),
    ],
)
def test_rules_that_the_schema_cannot_express(path: tuple[str | int, ...], value: object) -> None:
    """Also the size, NaN and the depth, which are not properties of JSON values."""
    fields = replaced(wire(), path, value)
    assert VALIDATOR.is_valid(fields)
    assert accepted(to_bytes(fields)) is None
    assert accepted(to_bytes(wire())) is not None
