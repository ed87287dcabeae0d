"""Rows as a Parquet file, by pyarrow: for notebooks and for years of samples."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from math import isnan
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from query.columns import Column
from query.values import plain
from telemetry.errors import UsageError, UserError

if TYPE_CHECKING:
    from types import ModuleType

_BATCH: Final = 20_000
"""Rows that are held at a time, and of a row group"""
_KEYS: Final = ("ts", "pid")
"""Columns of whole numbers; all other numbers are doubles"""
_MISSING: Final = "--format parquet needs pyarrow: pip install pyarrow"


def check() -> None:
    """Raise UserError if pyarrow is missing, or if the bytes would go to a terminal."""
    _pyarrow()
    if sys.stdout.isatty():
        raise UsageError("--format parquet: standard output is a terminal; add > FILE")


def write(columns: Sequence[Column], rows: Iterable[Sequence[Any]], out: BinaryIO) -> None:
    """Write the rows as one Parquet file, a batch at a time.

    Numbers are doubles, ``ts`` and ``pid`` are int64, times are Unix s. The metadata of a column has its unit
    and its meaning. A value that is not of the type of its column is null; a text column holds it as text.
    """
    pa = _pyarrow()
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    schema = pa.schema([_field(pa, column) for column in columns])
    readers = [_reader(column) for column in columns]
    left = iter(rows)
    with ParquetWriter(out, schema, compression="zstd") as file:
        while batch := list(islice(left, _BATCH)):
            arrays = [
                pa.array(list(map(read, values)), field.type)
                for read, values, field in zip(readers, zip(*batch, strict=True), schema, strict=True)
            ]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _pyarrow() -> ModuleType:
    try:
        import pyarrow  # noqa: PLC0415
    except ImportError:
        raise UserError(_MISSING) from None
    found: ModuleType = pyarrow
    return found


def _field(pa: ModuleType, column: Column) -> Any:
    kind = pa.string() if column.kind == "text" else pa.int64() if column.name in _KEYS else pa.float64()
    return pa.field(column.name, kind, metadata={"unit": column.unit, "meaning": column.help})


def _reader(column: Column) -> Any:
    if column.kind == "text":
        return _text
    return _whole if column.name in _KEYS else _number


def _text(value: Any) -> str | None:
    return None if value is None else str(plain(value))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isnan(value) else None
