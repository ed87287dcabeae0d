"""Write the files that are generated from the declarations in ``telemetry.records``.

``telemetry/sample-v1.schema.json`` is the JSON Schema. ``query/declared.py`` has the texts that reports show
for each field, so that telemetry-query need not import the classes of the records.
``python -m scripts.generated``, or ``make generated``, writes both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from telemetry.fields import Field, Shape, fields_of
from telemetry.records import IN_SYSTEM_SAMPLE, SCHEMA, BatteryPack, Health, Process
from telemetry.sample import MAX_LIST, MAX_TEXT, VERSION, Sample

ROOT: Final = Path(__file__).parent.parent
SCHEMA_FILE: Final = ROOT / "telemetry" / f"sample-v{VERSION}.schema.json"
_TYPES: Final = {
    "number": "number",
    "integer": "integer",
    "text": "string",
    "truth": "boolean",
    "record": "object",
    "list": "array",
    "row": "array",
    "entries": "object",
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a sample."""
    fields = _record(Sample)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:telemetry-logger:sample:{VERSION}",
        "title": f"Telemetry sample, version {VERSION}",
        "description": "One reading of a machine. null is not available, 0 is a reading. Unknown fields are "
        "ignored. Integers are written without a fraction; at most 1 MiB, strict UTF-8, no lone surrogates.",
        "type": "object",
        "required": ["v", *fields["required"]],
        "properties": {"v": {"type": "integer", "const": VERSION}, **fields["properties"]},
    }


def _record(record: Any) -> dict[str, Any]:
    fields = fields_of(record)
    required = [it.name for it in fields if not (it.optional or it.wire.may_be_absent)]
    return {"required": required, "properties": {it.name: _field(it) for it in fields}}


def _field(field: Field) -> dict[str, Any]:
    text = field.wire.help + (f", {field.wire.unit}" if field.wire.unit else "")
    if field.wire.unique:
        text += f"; no two with the same {field.wire.unique}"
    return {**_shape(field.shape, field), "description": text}


def _shape(shape: Shape, field: Field) -> dict[str, Any]:
    name = _TYPES[shape.kind]
    found: dict[str, Any] = {"type": [name, "null"] if shape.nullable else name}
    if shape.kind in ("number", "integer"):
        least, most = map(float if shape.kind == "number" else int, field.bounds)
        found |= {"minimum": least, "maximum": most}
    elif shape.kind == "text":
        least = int(field.bounds[0]) if shape is field.shape else 0
        found |= ({"minLength": least} if least else {}) | {"maxLength": MAX_TEXT}
    elif shape.kind == "record":
        found |= _record(shape.record)
    elif shape.kind == "entries":
        found |= {
            "maxProperties": MAX_LIST,
            "propertyNames": {"maxLength": MAX_TEXT},
            "additionalProperties": _shape(shape.item, field),
        }
    elif shape.kind == "row":
        found |= {"minItems": shape.length, "maxItems": shape.length, "items": _shape(shape.item, field)}
    elif shape.kind == "list":
        found |= {"maxItems": MAX_LIST, "items": _shape(shape.item, field)}
    return found


def declared() -> str:
    """Return the source of ``query/declared.py``."""
    lines = [
        '"""Stored fields, as declared in telemetry.records. Written by ``make generated``: do not edit."""',
        "",
        "# fmt: off",
        "# ruff: noqa: E501",
        f"SCHEMA = {SCHEMA}",
        "FIELDS = {  # column, unit, help, kind",
    ]
    exported = []
    for record in (*IN_SYSTEM_SAMPLE, Process, BatteryPack, Health):
        for field in fields_of(record):
            for column in field.columns:
                place = f"{record.__name__}.{field.name}"
                key = place if len(field.columns) == 1 else f"{place}.{column}"
                values = (column, field.wire.unit, field.wire.help, field.shape.kind)
                told = ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
                lines.append(f'    "{key}": ({told}),')
                exported += [key] if field.wire.exported and record in IN_SYSTEM_SAMPLE else []
    lines += ["}", "EXPORTED: list[str] = [", *(f'    "{key}",' for key in exported), "]", ""]
    return "\n".join(lines)


def files() -> dict[Path, str]:
    """Return the expected content of each file."""
    return {
        SCHEMA_FILE: json.dumps(schema(), indent=1, ensure_ascii=False) + "\n",
        ROOT / "query" / "declared.py": declared(),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
