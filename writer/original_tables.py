"""The tables that the original logger made, as data."""

from typing import Final

TABLES: Final = {
    name: frozenset(columns.split())
    for name, columns in {
        "system_sample": "ts voltage current power battery_pct cpu_total cpu_freq load1 load5 load15",
        "cpu_core": "ts core usage",
        "process_sample": "ts pid name cpu mem",
    }.items()
}
"""The columns of each table"""
NAMES: Final = {*TABLES, "training_view"}
"""All tables and views that it made"""
