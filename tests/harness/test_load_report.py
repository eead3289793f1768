"""The load run's checks: each of them can fail."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

pytest.importorskip("harness.load", reason="the load run is part of the checkout, not of the wheel")

from harness.driver.audit import Audit
from harness.load.measures import Distribution, Measures, growth
from harness.load.options import parse
from harness.load.report import Ending, as_json, problems
from harness.load.watch import Ledger, Watch

LEDGER = Ledger(wal=0, pages=0, writes=0, fsyncs=0, commits=0, deadlocks=0, size=0)


@pytest.fixture
def good(tmp_path: Path) -> Ending:
    """Of a run in which all is well."""
    options = parse(["--shards", "8", "--folder", str(tmp_path)])
    measures = Measures(late={1: [0.5, 1.0]}, times={"videos claimed": [3.0]}, rows=Counter({"videos written": 2}))
    return Ending(
        options=options, machine="a machine", server="PostgreSQL", videos=2, seconds=600.0, measures=measures,
        watch=Watch(Mock(), per_shard=Counter({"maia tracker 0/6": 4}), most=4), audit=Audit(1, 2), early=(),
        waiting={1: 0.0}, before=LEDGER, after=LEDGER, memory=[(100, 101), (100, 102), (100, 120)], cores={},
        codes={0: 8}, held={}, miscounted=[],
    )  # fmt: skip


def test_a_good_run_has_no_problem(good: Ending) -> None:
    assert problems(good) == []
    assert json.loads(json.dumps(as_json(good)))["problems"] == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"audit": Audit(1, 2, searched_twice=["'python'"])}, "searched by two"),
        ({"audit": Audit(1, 2, read_twice=["a video"])}, "read by two"),
        ({"early": ["a video"]}, "snapshot too soon"),
        ({"held": {"tracker 0/6": 3}}, "still holds 3 rows"),
        ({"miscounted": ["search: 1 calls reserved"]}, "1 calls reserved"),
        ({"waiting": {1: 31.0}}, "zone 1 starves: 31.0 s late, its interval is 30 s"),
        ({"measures": Measures(late={1: [40.0]})}, "zone 1 starves"),
        ({"measures": Measures()}, "no video of zone 1 was read"),
        ({"watch": Watch(Mock(), per_shard=Counter({"maia hunter 0/2": 5}))}, "5 connections, DATABASE_POOL_SIZE is 4"),
        ({"memory": [(100, 106), (100, 107), (100, 100)]}, "memory is not flat: +6.0%"),
        ({"codes": {0: 7, 69: 1}}, "1 processes ended with 69"),
        ({"codes": {None: 1}}, "1 processes ended with None"),
    ],
)
def test_what_is_wrong_is_found(good: Ending, changes: dict[str, Any], says: str) -> None:
    (found,) = problems(replace(good, **changes))
    assert says in found


def test_where_connections_are_too_few_some_shards_may_end_with_69(good: Ending) -> None:
    few = replace(good.options, max_connections=20)
    assert problems(replace(good, options=few, codes={0: 4, 69: 4})) == []
    assert problems(replace(good, options=few, codes={0: 4, 1: 4})) == ["4 processes ended with 1"]


def test_a_distribution_is_of_all_values_and_growth_between_the_first_fifth_and_the_last() -> None:
    assert Distribution.of([]) is None
    assert Distribution.of([float(n) for n in range(1, 1001)]) == Distribution(1000, 500.5, 990.0, 1000.0)
    assert Distribution.of([7.0]) == Distribution(1, 7.0, 7.0, 7.0)
    memory = {1: [(5.0, 1), (11.0, 10), (12.0, 10), (95.0, 12), (99.0, 12), (120.0, 99)], 2: [(11.0, 10)]}
    assert growth(memory, 10, 100) == [(10, 12)]


def test_claims_of_a_servers_log_are_found(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(
        "LOG:  duration: 1.250 ms  execute __asyncpg_stmt_1__: -- One probe per zone until the batch is full.\n"
        "\tWITH hot AS (\n"
        "LOG:  duration: 9.000 ms  execute __asyncpg_stmt_2__: -- Channels, videos and their first snapshots\n"
        "LOG:  duration: 0.500 ms  execute __asyncpg_stmt_3__: -- $1 how many, $2 lease in seconds, $3 lease token\n"
    )
    measures = Measures()
    measures.read_server_log(log)
    assert measures.in_server == [1.25, 0.5]


def test_the_options_give_more_to_read_than_trackers_can_and_the_help_teaches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = parse(["--shards", "64", "--minutes", "10"])
    a_week, fast = options.videos, options.speed
    asked = a_week * fast * (1 / 7 / 3600 + 6 / 7 / 21_600 + 1 / 86_400) + a_week / options.seconds
    assert asked == pytest.approx(options.trackers * options.batch / options.latency, rel=0.01)
    with pytest.raises(SystemExit, match="0"):
        parse(["--help"])
    said = capsys.readouterr().out
    for text in ("--shards", "--minutes", "--simulate", "--max-connections", "--json", "examples:"):
        assert text in said
