"""Makes the decoder and the encoder of a record from its declaration.

Both are generated as source and compiled once, like ``collections.namedtuple``: this code runs for each of
some hundred fields of each sample, and a loop over the declaration would take several times as long. A value
of the expected type within its bounds passes an inline comparison; any other value goes through
``telemetry.strict_json``, which converts it or raises InvalidSample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from telemetry import strict_json
from telemetry.fields import Field, Shape, fields_of
from telemetry.strict_json import MAX_TEXT


def decoder(record: Any) -> Callable[[object], Any]:
    """Return a function that turns a JSON object into the record.

    The function raises InvalidSample for a value that is not allowed and KeyError for a missing field.
    """
    names: dict[str, Any] = vars(strict_json) | {"new": tuple.__new__}
    functions: list[str] = []
    main = _decoder(record, "", functions, names)
    exec("\n\n".join(functions), names)  # noqa: S102 the source is made only from this package's declarations
    made: Callable[[object], Any] = names[main]
    return made


def encoder(record: Any) -> Callable[[Any], dict[str, Any]]:
    """Return a function that turns the record into a dictionary that JSON can hold.

    Fields are in the order of their declaration; optional fields that are None are left out.
    """
    names: dict[str, Any] = {}
    functions: list[str] = []
    main = _encoder(record, functions)
    exec("\n\n".join(functions), names)  # noqa: S102
    made: Callable[[Any], dict[str, Any]] = names[main]
    return made


# --- decoding --------------------------------------------------------------------------------------


def _decoder(record: Any, path: str, functions: list[str], names: dict[str, Any]) -> str:
    """Append the source of a function for ``record`` at ``path``; return the function's name."""
    name = "decode_" + (path.replace(".", "_") or "whole")
    names[record.__name__] = record
    lines = [f"def {name}(value):", f"    wire = record(value, {path or 'sample'!r})"]
    for field in fields_of(record):
        here = f"{path}.{field.name}" if path else field.name
        lines.append(f"    {field.name}_ = {_taken(field)}")
        lines += [f"    {line}" for line in _checks(field, here, functions, names)]
    values = "".join(f"{field.name}_, " for field in fields_of(record))
    lines.append(f"    return new({record.__name__}, ({values}))")
    functions.append("\n".join(lines))
    return name


def _taken(field: Field) -> str:
    if not (field.optional or field.wire.may_be_absent):
        return f"wire[{field.name!r}]"
    return f"wire.get({field.name!r}{'' if field.default is None else f', {field.default!r}'})"


def _checks(field: Field, path: str, functions: list[str], names: dict[str, Any]) -> list[str]:
    """Return the lines that check one value or convert it to what the record holds."""
    shape, it = field.shape, f"{field.name}_"
    if shape.kind in ("number", "integer", "text", "truth"):
        wrong, right = _scalar(shape, it, path, field)
        unless_null = f"{it} is not None and ({wrong})" if shape.nullable else wrong
        return [f"if {unless_null}: {it} = {right}"]
    lines = [f"{it} = {_made(field, path, functions, names)}"]
    if shape.kind == "row":
        message = f'f"{path}: {{len({it})}} numbers, not {shape.length}"'
        lines = [
            f"{it} = items({it}, {path!r})",
            f"if len({it}) != {shape.length}: raise InvalidSample({message})",
            *lines,
        ]
    if key := field.wire.unique:
        index = shape.item.record._fields.index(key)
        message = repr(f"{path}: one {key} twice")
        lines.append(f"if len({{one[{index}] for one in {it}}}) != len({it}): raise InvalidSample({message})")
    if shape.nullable:
        return [f"if {it} is not None:", *(f"    {line}" for line in lines)]
    return lines


def _made(field: Field, path: str, functions: list[str], names: dict[str, Any]) -> str:
    """Return the expression for a value that is made from other values."""
    shape, it = field.shape, f"{field.name}_"
    if shape.kind == "record":
        return f"{_decoder(shape.record, path, functions, names)}({it})"
    item = shape.item
    if item.kind == "record":
        return (
            f"tuple([{_decoder(item.record, path, functions, names)}(one) for one in items({it}, {path!r})])"
        )
    wrong, right = _scalar(item, "one", path, field)
    one = f"{right} if {wrong} else one"
    if item.nullable:
        one = f"None if one is None else {one}"
    if shape.kind == "entries":
        return f"{{name: {one} for name, one in entries({it}, {path!r}).items()}}"
    return f"tuple([{one} for one in {it if shape.kind == 'row' else f'items({it}, {path!r})'}])"


def _scalar(shape: Shape, it: str, path: str, field: Field) -> tuple[str, str]:
    """Return the test for a value that needs a closer check, and the call that checks it."""
    least, most = field.bounds
    if shape.kind == "text":
        shortest = int(least) if field.shape.kind == "text" else 0
        return (
            f"type({it}) is not str or not {shortest} <= len({it}) <= {MAX_TEXT}",
            f"text({it}, {path!r}, {shortest})",
        )
    if shape.kind == "truth":
        return f"type({it}) is not bool", f"truth({it}, {path!r})"
    kind, limit = ("float", float) if shape.kind == "number" else ("int", int)
    low, high = limit(least), limit(most)
    return (
        f"type({it}) is not {kind} or not {low!r} <= {it} <= {high!r}",
        f"{shape.kind}({it}, {path!r}, {low!r}, {high!r})",
    )


# --- encoding --------------------------------------------------------------------------------------


def _encoder(record: Any, functions: list[str]) -> str:
    """Append the source of a function for ``record``; return the function's name."""
    name = f"encode_{record.__name__}"
    fields = fields_of(record)
    lines = [f"def {name}(record):", f"    {', '.join(f'{field.name}_' for field in fields)}, = record"]
    first = next((i for i, it in enumerate(fields) if it.optional), len(fields))
    lines.append(
        f"    wire = {{{', '.join(f'{it.name!r}: {_sent(it, functions)}' for it in fields[:first])}}}"
    )
    for it in fields[first:]:
        condition = f"if {it.name}_ is not None: " if it.shape.nullable else ""
        lines.append(f"    {condition}wire[{it.name!r}] = {_sent(it, functions)}")
    functions.append("\n".join([*lines, "    return wire"]))
    return name


def _sent(field: Field, functions: list[str]) -> str:
    shape, it = field.shape, f"{field.name}_"
    if shape.kind == "record":
        sent = f"{_encoder(shape.record, functions)}({it})"
        return f"{sent} if {it} is not None else None" if shape.nullable and not field.optional else sent
    if shape.item and shape.item.kind == "record":
        return f"[{_encoder(shape.item.record, functions)}(one) for one in {it}]"
    return it
