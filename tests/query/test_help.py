"""``--help`` in groups, with working examples; hints for mistyped names."""

from __future__ import annotations

import shlex

import pytest

from query.arguments import parser
from query.crossings import rules
from query.help import GROUPS
from query.main import main
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording


def help_of(*argv: str) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([*argv, "--help"])


def test_help_lists_each_report_once_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    help_of()
    text = capsys.readouterr().out
    listed = [
        line.split()[0] for line in text.splitlines() if line.startswith("    ") and line[4:5].isalpha()
    ]
    choices = [*parser()._subparsers._group_actions[0].choices]  # type: ignore[union-attr,misc]
    assert sorted(listed) == sorted(choices)
    for group in GROUPS:
        assert f"  {group.title}:\n" in text
        assert f"      $ {group.example}\n" in text
    assert max(map(len, text.splitlines())) <= 88


@pytest.mark.parametrize("example", [group.example for group in GROUPS])
def test_each_example_works(example: str) -> None:
    given = vars(parser().parse_args(shlex.split(example.split(">", maxsplit=1)[0])[1:]))
    assert any(given["report"] in group.names for group in GROUPS if group.example == example)
    assert given["report"] != "alert" or rules(given)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["recnt"], "no report 'recnt'; did you mean recent? There are recent, "),
        (["xyzzy"], "no report 'xyzzy'; there are recent, "),
        (
            ["energy", "--by", "dya"],
            "argument --by: no such value 'dya'; did you mean day? There are total, ",
        ),
        (["top", "--sort", "cpuu"], "--sort: no column 'cpuu'; did you mean cpu? There are ts, time, "),
        (["top", "--columns", "name,mme"], "--columns: no column 'mme'; did you mean mem? There are ts, "),
        (["top", "--columns", " ,"], "--columns: no name in ' ,'; there are ts, time, "),
        (["top", "--width", "19"], "argument --width: '19' is not a whole number from 20 to 9999"),
        (["alert", "--db", "x"], "unrecognized arguments: --db x"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(
    recording: Recording, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    recording.sample(NOON, processes=[(1, "sh", 1.0, 1.0)])
    recording.database.commit()
    assert main(["--db", str(recording.path), *argv], lambda: NOON) == 2
    assert capsys.readouterr().err.startswith(f"telemetry-query: {said}")


@pytest.mark.parametrize(
    ("report", "absent"), [("alert", ["--db", "--control"]), ("live", ["--control"]), ("top", ["--line"])]
)
def test_help_has_no_option_that_is_not_used(
    capsys: pytest.CaptureFixture[str], report: str, absent: list[str]
) -> None:
    help_of(report)
    text = capsys.readouterr().out
    assert [option for option in absent if option in text] == []


def test_columns_and_order_apply_in_every_format(recording: Recording, query: Query) -> None:
    for at, (name, cpu) in enumerate([("b", 2.0), ("a", 5.0), ("c", None), ("d", 1.0)]):
        recording.sample(NOON + at, power=-float(at), processes=[(1, name, cpu, 1.0)])
    rows = query("correlate", "--rows", "--columns", "cpu,name", "--sort", "cpu", "-r").rows
    assert [list(row.items()) for row in rows] == [
        [("cpu", cpu), ("name", name)] for cpu, name in ((5.0, "a"), (2.0, "b"), (1.0, "d"), (None, "c"))
    ]
    assert query("correlate", "--rows", "--sort", "cpu", "--limit", "2", "--columns", "name").rows == [
        {"name": "d"},
        {"name": "b"},
    ]
    newest = query("recent", "--limit", "2", "--sort", "watts", "--columns", "watts").rows
    assert newest == [{"watts": 2.0}, {"watts": 3.0}]
    assert query("recent", "-r", "--columns", "time").rows == [{"time": NOON + at} for at in range(4)]
    table = query("top", "--columns", "user,ts", "--format", "table").out
    assert table.split()[:2] == ["user", "ts"]
