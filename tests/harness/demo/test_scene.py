"""The demo's clock, queries and options."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("demo", reason="the demo is part of the checkout, not of the wheel")

from atlas.clock import Clock
from atlas.config import Settings
from atlas.errors import ConfigError
from demo.options import DemoOptions, find_dataset, folder_name, parse
from demo.run import settings_of
from demo.scene import SEEDS, Scene, describe, frequent, make_scene
from demo.state import State
from harness.driver.environment import isolate
from harness.driver.options import ROOT
from harness.driver.screen import span
from youtube_sandbox.dataset import Dataset, DatasetVideo, Point
from youtube_sandbox.themes import THEMES

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
FIRST = datetime(2017, 9, 13, tzinfo=UTC)


def record(id_: str, title: str, *tags: str) -> DatasetVideo:
    return DatasetVideo(id_, title, "channel", 1, tags, "", None, [Point(FIRST.timestamp(), 1, 1, 1)])


def dataset(days: int = 40, kind: str = "daily") -> Dataset:
    records = [record("a", "Cats and dogs", "Cats"), record("b", "Funny cats", "cats", "fun")]
    return Dataset("x.csv", kind, records, FIRST, FIRST + timedelta(days=days - 1), 80, Counter({"odd": 2}))


def scene(data: Dataset | None = None, before: State | None = None) -> Scene:
    return make_scene(DemoOptions(Path("/demo"), seconds=25), data, before, NOW)


def text_of(run: Scene) -> str:
    return "\n".join(line for line, _ in describe(run))


def test_the_first_run_begins_now_and_the_next_where_the_schedule_clock_stopped() -> None:
    run = scene()
    assert (run.number, run.begin, run.clock.speed, run.queries) == (1, NOW, 7200, list(SEEDS))
    assert "1 s here = 2 h" in text_of(run)
    stopped = NOW + timedelta(days=2, hours=3)
    run = scene(before=run.state(NOW, stopped))
    assert (run.number, run.begin) == (2, stopped)
    assert "Run 2 goes on from 2026-11-24T11:00Z" in text_of(run)
    known = {text.casefold() for theme in THEMES for text in (theme.name, *theme.core, *theme.subjects)}
    assert set(SEEDS) <= known, "the sandbox has videos about all of them"


def test_after_a_demo_that_was_killed_the_clock_does_not_go_back() -> None:
    began = NOW - timedelta(hours=1)
    killed = State(1, str(Clock(7200, began, began)), (began + timedelta(seconds=25)).isoformat())
    # its shards may have worked on for a while after it, but not until now
    assert began + timedelta(hours=50) < scene(before=killed).begin < began + timedelta(hours=100)


def test_a_state_survives_its_file_and_a_broken_file_is_no_state(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert State.load(path) is None
    state = scene().state(NOW, NOW)
    state.save(path)
    assert State.load(path) == state
    for text in ("", "[]", "{}", '{"runs": 1, "clock": "fast", "ends": "today"}'):
        path.write_text(text)
        assert State.load(path) is None


def test_a_data_set_begins_at_its_first_day_and_all_its_days_pass() -> None:
    run = scene(dataset())
    assert run.begin == FIRST
    assert run.clock.at(NOW + timedelta(seconds=25)) >= dataset().last - timedelta(seconds=25)
    assert run.queries[0] == "cats"
    no_publish_times = "a video's age counts from the day it was first seen"
    for text in ("40 days", "2 malformed rows skipped", no_publish_times):
        assert text in text_of(run)
    assert no_publish_times not in text_of(scene(dataset(kind="trending")))
    assert scene(dataset(days=1)).clock.speed > 0


def test_shards_work_no_longer_than_the_data_set_lasts_unless_it_is_over_anyway() -> None:
    run = scene(dataset())
    for seconds, works in ((0, 25), (10, 15), (24.9, 5)):
        assert run.seconds(25, NOW + timedelta(seconds=seconds)) == pytest.approx(works, abs=0.1)
    over = scene(dataset(), run.state(NOW, dataset().last))
    assert over.seconds(25, NOW) == 25
    assert "make clean" in text_of(over)


def test_a_data_sets_queries_are_its_most_frequent_tags_and_title_words_in_an_order_of_their_own() -> None:
    records = [
        record("a", "Cats again", "Cats", "x"), record("b", "Funny cats", "cats", "fun"), record("c", "Dogs", "fun"),
    ]  # fmt: skip
    assert frequent(records) == frequent(records[::-1]) == ["cats", "fun", "dogs", "funny"]
    assert frequent(records, 2) == ["cats", "fun"]


def test_a_relative_data_set_is_looked_for_where_make_was_called(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (there / "d.csv").write_text("x")
    assert find_dataset("d.csv", [here, there]) == there / "d.csv"
    (here / "d.csv").write_text("y")
    assert find_dataset("d.csv", [here, there]) == here / "d.csv"
    assert find_dataset(str(there / "d.csv"), [here]) == there / "d.csv"
    for name, error in (("no.csv", r"DATASET: there is no file .*/here/no\.csv"), (".", "is a folder")):
        with pytest.raises(ConfigError, match=error):
            find_dataset(name, [here, there])


def test_data_sets_have_folders_of_their_own(tmp_path: Path) -> None:
    one, two = tmp_path / "a" / "my data.csv", tmp_path / "b" / "my data.csv"
    for path, text in ((one, "1"), (two, "2")):
        path.parent.mkdir()
        path.write_text(text)
    assert folder_name(one).startswith("my-data-")
    assert folder_name(one) != folder_name(two)
    given = parse(["--folder", str(tmp_path), "--dataset", str(one), "--seconds", "3"])
    assert (given.folder, given.dataset, given.seconds) == (tmp_path / folder_name(one), one, 3)
    assert parse([]).folder == ROOT / ".demo"


@pytest.mark.parametrize("wrong", [["--seconds", "0"], ["--hunters", "0"], ["--trackers", "99"], ["--seconds", "x"]])
def test_wrong_options_are_a_usage_error(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(wrong)
    assert wrong[0] in capsys.readouterr().err


def test_nothing_of_the_users_environment_reaches_the_demos_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # settings are read whatever their case
    for name in (*map(str.upper, Settings.model_fields), "PGHOST", "PREFECT_API_URL", "HF_TOKEN", "database_url"):
        monkeypatch.setenv(name, "leaked")
    ours = settings_of(tmp_path, clock="2x", api="http://127.0.0.1:1/youtube/v3", window_hours=336)
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        isolate(ours, tmp_path)
        assert "leaked" not in os.environ.values()
        assert "PATH" in os.environ
        assert os.environ["HUNTER_PUBLISHED_WITHIN_HOURS"] == "336"
        assert Path.cwd() == tmp_path
    assert {name.lower() for name in ours if name != "DO_NOT_TRACK"} <= set(Settings.model_fields)


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0.2, "0 min"), (59, "59 min"), (60, "1 h 0 min"), (24 * 60 - 0.4, "1 d 0 h"), (3000, "2 d 2 h")],
)
def test_spans_read_as_people_say_them(minutes: float, text: str) -> None:
    assert span(timedelta(minutes=minutes)) == text
