"""The reports whose rows are samples, as data: the newest ones, and all of them."""

from __future__ import annotations

from typing import Final

from query.columns import (
    BATTERY_PCT,
    BRIGHTNESS,
    CHARGE,
    CPU_FREQ,
    CPU_TEMP,
    CPU_TOTAL,
    DRAIN,
    GOVERNOR,
    INTERVAL,
    LOAD1,
    LOAD5,
    LOAD15,
    STATUS,
    TIME,
    TS,
    WATTS,
    Column,
    exported,
)
from query.report import Option, Report, Variant

RECENT: Final = Report(
    "recent",
    "the newest samples: battery, power, CPU, load and temperature",
    (
        *(TS._replace(in_table=False), TIME, BATTERY_PCT, STATUS),
        *(WATTS, DRAIN, CHARGE, CPU_TOTAL, CPU_FREQ, LOAD1, CPU_TEMP),
    ),
    limit=20,
    limit_first=True,
    tells_age=True,
)

EXPORT: Final = Report(
    "export",
    "every sample as a row of features and targets, oldest first",
    (
        *(
            TS._replace(rank=10),
            BATTERY_PCT,
            CPU_TOTAL,
            CPU_FREQ,
            LOAD1,
            LOAD5,
            LOAD15,
            WATTS,
            DRAIN,
            CHARGE,
            TIME,
        ),
        *(INTERVAL, STATUS, CPU_TEMP, GOVERNOR, BRIGHTNESS),
        Column("radios", "", "kinds of radio that are on", kind="text", in_table=False),
        Column("on_ac", "", "1: a supply from outside is online", in_table=False),
        *exported(),
    ),
    format="csv",
    in_pages=True,
    limit_first=True,
    options=(
        Option(
            "--with-processes",
            "add sums over the sample's list of processes",
            switch=Variant(
                "export",
                columns=(
                    Column(
                        "topn_cpu_sum",
                        "%",
                        "sum of the CPU use of the listed processes, of one core",
                        1,
                        rank=2,
                    ),
                    Column("top_cpu", "%", "highest CPU use of a listed process, of one core", 1, rank=2),
                    Column(
                        "topn_mem_sum",
                        "%",
                        "sum of the resident memory of the listed processes, of RAM",
                        1,
                        rank=2,
                    ),
                ),
                # Not a join with a grouped process_sample: SQLite would build that before the first row.
                adds="".join(
                    f", (SELECT {of} FROM process_sample AS p WHERE p.ts = t.ts) AS {name}"
                    for name, of in (
                        ("topn_cpu_sum", "SUM(cpu)"),
                        ("top_cpu", "MAX(cpu)"),
                        ("topn_mem_sum", "SUM(mem)"),
                    )
                ),
            ),
        ),
        Option(
            "--signed",
            "add the power with its sign: a mean of watts would mix charging with draining",
            switch=Variant(
                "export",
                columns=(Column("signed_watts", "W", "negative: out of the battery", 2, rank=1),),
                adds=(
                    ", (SELECT iif(coalesce(energy_uj, current, power) < 0, -ABS(power), ABS(power)) "
                    "FROM system_sample AS s WHERE s.ts = t.ts) AS signed_watts"
                ),
            ),
        ),
        Option(
            "--local-time",
            "add the time as text, ISO 8601 with its offset from UTC",
            switch=Variant(
                "export",
                columns=(Column("local_time", "", "the time as local date and time", kind="text", rank=7),),
                adds=", local_time(time) AS local_time",
            ),
        ),
    ),
)
