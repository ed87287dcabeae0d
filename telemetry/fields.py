"""The declaration of a record's fields, and the functions that read it.

A record is a NamedTuple. The annotation of each field is ``Annotated[type, Wire(...)]``: mypy and the decoder
use the type, ``Wire`` holds the rest. The decoder and the encoder (``telemetry.codec``), the limits of the
producer (``telemetry.fit``), the JSON Schema, the columns that the writer stores, and the names and units in
reports are all made from it.
"""

from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

LARGEST: Final = 1e6
"""Bound of V, A, W and s, far above any machine: the product of W and s in µJ still fits 64 bits."""
LARGEST_NUMBER: Final = 1e12
LARGEST_INTEGER: Final = (1 << 63) - 1


class Wire(NamedTuple):
    """What is declared of a field in addition to its type.

    A field that has a default is optional on the wire: it is left out if it is None.
    """

    help: str = ""
    """The description that the JSON Schema and the reports show."""
    unit: str = ""
    """The unit as people write it; empty if there is none."""
    least: float | None = None
    """Least number (also of each item of a list), or least length of a text. None: the type's own bound."""
    most: float | None = None
    """Greatest number. None: the type's own bound."""
    unique: str = ""
    """Name of the item's field whose values must be unique in the list."""
    may_be_absent: bool = False
    """Readers accept an absent field as None, although the encoder always writes it."""
    column: str = ""
    """The column in which the writer stores it; several names for a row of numbers. Empty: not stored."""
    exported: bool = False
    """The column is appended to ``training_view`` and to the report ``export``. The columns of the first
    version are listed there in their own order."""
    scale: int | None = None
    """A compact table stores the value as a whole number of 1/scale, if that restores it exactly."""


Kind = Literal["number", "integer", "text", "truth", "record", "list", "row", "entries"]
_PLAIN: Final[dict[object, Kind]] = {float: "number", int: "integer", str: "text", bool: "truth"}


class Shape(NamedTuple):
    """A type as the codec uses it."""

    kind: Kind
    """A row is a list of fixed length; entries are an object whose names are data."""
    nullable: bool
    item: Any = None
    """The Shape of each item of a list, a row or entries."""
    record: Any = None
    """The NamedTuple of a record."""
    length: int = 0
    """The number of items in a row."""


class Field(NamedTuple):
    """One field of a record."""

    name: str
    shape: Shape
    wire: Wire
    optional: bool
    default: object = None

    @property
    def columns(self) -> list[str]:
        """The names of its columns in the database, one for each stored value."""
        return self.wire.column.split()

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest number, or length of a text."""
        shape = self.shape.item if self.shape.item and self.shape.kind != "entries" else self.shape
        least, most = _BOUNDS.get(shape.kind, (0, 0))
        wire = self.wire
        return (least if wire.least is None else wire.least, most if wire.most is None else wire.most)


_BOUNDS: Final[dict[Kind, tuple[float, float]]] = {
    "number": (-LARGEST_NUMBER, LARGEST_NUMBER),
    "integer": (0, LARGEST_INTEGER),
}


@cache
def fields_of(record: Any) -> tuple[Field, ...]:
    """Return the fields of a record, a NamedTuple of ``telemetry.records``, in their order."""
    defaults = record._field_defaults
    return tuple(
        Field(
            name,
            _shape(record.__annotations__[name].__origin__),
            record.__annotations__[name].__metadata__[0],
            name in defaults,
            defaults.get(name),
        )
        for name in record._fields
    )


def _shape(annotation: Any) -> Shape:
    members = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    nullable = NoneType in members
    (of,) = (member for member in members if member is not NoneType)
    if of in _PLAIN:
        return Shape(_PLAIN[of], nullable)
    inner = get_args(of)
    if get_origin(of) is dict:
        return Shape("entries", nullable, _shape(inner[1]))
    if get_origin(of) is tuple:
        endless = inner[-1] is Ellipsis
        return Shape("list" if endless else "row", nullable, _shape(inner[0]), None, len(inner))
    return Shape("record", nullable, record=of)
