"""The benchmark of detection in small: the judge's arithmetic, the baselines, and a whole run on a small world."""

from __future__ import annotations

import importlib
import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ..support.documents import CHECKOUT

pytest.importorskip("harness.benchmarks", reason="the benchmarks are part of the checkout")

from harness.benchmarks.detection import worlds
from harness.benchmarks.detection.baselines import scores
from harness.benchmarks.detection.judge import DAY, HOUR, Alert, Forecasts, Goal, Truth, Watched, at_equal_alerts, judge
from harness.benchmarks.detection.results import BY_CHANNEL, BY_RATE, DETECTOR, Result, goals, measure
from harness.benchmarks.detection.worlds import DEVELOPMENT, JUDGING, Sample, curve, sample, shapes_of
from youtube_sandbox.surges import BreakoutShape, Decoy

READ = [hour * HOUR for hour in range(1, 101)]


def watched(*breakouts: tuple[float, float], readings: Sequence[float] = READ) -> Watched:
    """Return a video, published at 0, that is read each hour and breaks out from and to these hours."""
    return Watched(0.0, readings, [Truth(start * HOUR, end * HOUR, "sharp") for start, end in breakouts])


@pytest.mark.parametrize(
    ("breakouts", "alerts", "true", "false", "ignored", "found", "counted"),
    [
        ([(20, 40)], [], 0, 0, 0, 0, 1),
        ([(20, 40)], [22], 1, 0, 0, 1, 1),
        ([(20, 40)], [22, 30], 1, 1, 0, 1, 1),
        ([(20, 40)], [19], 0, 1, 0, 0, 1),
        ([(20, 39.5)], [40], 1, 0, 0, 1, 1),  # the first reading after its end
        ([(20, 39.5)], [41], 0, 1, 0, 0, 1),
        ([(20, 40), (60, 70)], [22, 62], 2, 0, 0, 2, 2),
        ([(20, 40), (60, 70)], [62], 1, 0, 0, 1, 2),
        ([(96, 120)], [99], 0, 0, 1, 0, 0),  # less than 6 h before the last reading
        ([(94, 120)], [99], 1, 0, 0, 1, 1),
        ([(-6, 9)], [3], 0, 0, 1, 0, 0),  # too long before the first reading
        ([(-6, 9)], [3, 4], 0, 1, 1, 0, 0),
        ([(-4, 9)], [3], 1, 0, 0, 1, 1),
        ([], [50], 0, 1, 0, 0, 0),
    ],
)
def test_an_alert_is_true_once_for_each_breakout_and_only_in_it(
    breakouts: list[tuple[float, float]], alerts: list[float], true: int, false: int, ignored: int, found: int,
    counted: int,
) -> None:  # fmt: skip
    score = judge({7: watched(*breakouts)}, [Alert(7, hour * HOUR) for hour in alerts])
    assert (score.true, score.false, score.ignored, score.found, score.counted) == (
        true, false, ignored, found, counted,
    )  # fmt: skip


def test_an_alert_counts_from_the_reading_before_it_was_written() -> None:
    score = judge({7: watched((20.5, 40))}, [Alert(7, 20.9 * HOUR)])
    assert (score.true, score.false) == (0, 1), "the reading of 20:00 is before the breakout"
    score = judge({7: watched((20.5, 40))}, [Alert(7, 21.9 * HOUR)])
    assert score.true == 1
    assert score.hours_to_alert == [0.5]


def test_a_perfect_detector_scores_1_and_a_silent_one_0() -> None:
    videos = {0: watched((20, 40), (60, 80)), 1: watched(), 2: watched((30, 60))}
    perfect = judge(videos, [Alert(0, 20 * HOUR), Alert(0, 60 * HOUR), Alert(2, 30 * HOUR)], lambda _video, at: at)
    assert (perfect.precision, perfect.recall) == (1, 1)
    assert perfect.shapes == {"sharp": [3, 3]}
    assert perfect.starts == {"begun 3 to 24 h after it": [1, 1], "begun later": [2, 2]}
    silent = judge(videos, [])
    assert (silent.precision, silent.recall, silent.share_ahead) == (None, 0, None)
    silent.add(perfect)
    assert (silent.precision, silent.recall, silent.alerts) == (1, 0.5, 3)


def test_views_ahead_are_of_the_first_seven_days_or_of_the_seven_days_from_a_later_start() -> None:
    early = judge({0: watched((24, 60))}, [Alert(0, 42 * HOUR)], lambda _video, at: max(at, 0))
    assert early.ahead == [pytest.approx(0.75)]
    assert early.ahead_from_start == [pytest.approx((7 * 24 - 18) / (7 * 24))]
    readings = [hour * HOUR for hour in range(150, 300)]
    late = judge({0: watched((200, 250), readings=readings)}, [Alert(0, 242 * HOUR)], lambda _video, at: at)
    assert late.ahead == late.ahead_from_start == [pytest.approx(0.75)]


def test_baselines_are_cut_at_the_same_number_of_alerts() -> None:
    rows = {video: [(hour, float(video) if hour == 5 else 0.0) for hour in range(10)] for video in range(1, 101)}
    for number in (0, 1, 10, 100):
        assert len(at_equal_alerts(rows, number)) == number
    assert {alert.video for alert in at_equal_alerts(rows, 10)} == set(range(91, 101))
    again = {1: [(0.0, 10.0), (1.0, 6.0), (2.0, 11.0), (3.0, 4.0), (4.0, 12.0)], 2: [(0.0, 10.0)]}
    assert at_equal_alerts(again, 3) == [Alert(1, 0), Alert(1, 4), Alert(2, 0)], "ready again below half only"
    assert at_equal_alerts({}, 5) == []


def test_baselines_score_views_per_hour_alone_and_against_the_channels_other_videos() -> None:
    readings = [
        (video, hour * HOUR, views * hour) for hour in range(3) for video, views in enumerate((60, 100, 140, 800))
    ]
    by_rate, by_channel = scores(readings, ["one"] * 4)
    assert by_rate[3] == [(HOUR, 800), (2 * HOUR, 800)]
    assert by_channel[3][1] == (2 * HOUR, 8), "the median of the other three is 100"
    slow, _ = scores([(0, 0.0, 0), (0, HOUR, 49)], ["one"])
    assert slow[0] == [(HOUR, 0)]


def test_forecasts_are_counted_inside_their_interval_and_against_the_last_rate() -> None:
    figures = Forecasts()
    figures.count((90, 150, 210), 100, 200)
    figures.count((10, 15, 20), 30, 21)
    figures.count(None, 30, 21)
    assert (figures.asked, figures.answered, figures.coverage) == (3, 2, 0.5)
    assert (figures.errors, figures.naive_errors) == ([0.25], [0.5]), "only videos with 100 views"


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("precision", 0.95, 0.9, None, (0.3, 0.5)), True),
        (Goal("precision", 0.92, 0.9, None, (0.65, 0.3)), False),  # 1.5 times 0.65
        (Goal("precision", 0.92, 0.9, None, (0.7, None)), True),  # no room
        (Goal("precision", 0.89, 0.9, None, (0.1, 0.1)), False),
        (Goal("precision", None, 0.9), False),
        (Goal("false", 9, None, 10, (100, 90)), True),
        (Goal("false", 9, None, 10, (13, 90)), False),
        (Goal("coverage", 0.8, 0.75, 0.85), True),
        (Goal("coverage", 0.86, 0.75, 0.85), False),
    ],
)
def test_goals(goal: Goal, met: bool) -> None:
    assert goal.met is met


@pytest.fixture(scope="module")
def small() -> Sample:
    return sample(DEVELOPMENT[0], videos=600, days=10)


def test_a_world_is_read_as_the_zones_say_around_a_change_of_counting(small: Sample) -> None:
    readings: dict[int, list[float]] = {}
    for number, at in zip(small.video, small.at, strict=True):
        readings.setdefault(number, []).append(at)
    assert list(small.at) == sorted(small.at)
    for number, times in readings.items():
        video = small.videos[number]
        assert times[0] >= video.published
        for before, after in itertools.pairwise(times):
            age = before - video.published
            interval = HOUR if age < DAY else 6 * HOUR if age < 7 * DAY else DAY
            assert 0 <= after - before - interval < 3 * HOUR
    assert sum(len(numbers) for _, numbers in small.hours()) == len(small.at)
    assert any(small.begin < at < small.end for video in small.videos for at, _ in curve(video).counting)
    assert sample(DEVELOPMENT[0], videos=600, days=10).views == small.views


def test_development_worlds_lack_what_judging_worlds_have() -> None:
    assert not set(DEVELOPMENT) & set(JUDGING)
    for seed in DEVELOPMENT:
        assert BreakoutShape.CHANNEL_WIDE not in shapes_of(seed).breakouts
        assert Decoy.PURCHASED not in shapes_of(seed).decoys
    for seed in JUDGING:
        assert (shapes_of(seed).breakouts, shapes_of(seed).decoys) == (set(BreakoutShape), set(Decoy))


def test_a_perfect_detector_meets_all_goals_of_alerts(small: Sample) -> None:
    feeding = importlib.import_module("harness.benchmarks.detection.feeding")
    alerts = [
        Alert(number, next(at for n, at in zip(small.video, small.at, strict=True) if n == number and at >= each.start))
        for number, video in enumerate(small.videos)
        for each in curve(video).breakouts
        if each.start < small.end - DAY and number in small.video
    ]
    result = measure(small, feeding.Found(alerts=alerts), 1.0)
    found = result.scores[DETECTOR]
    assert (found.precision, found.false) == (1, 0)
    assert found.recall == 1
    assert [goal.met for goal in goals(result)][:2] == [True, True]
    assert Result.of(json.loads(json.dumps(result.plain()))) == result
    for name in (BY_RATE, BY_CHANNEL):
        assert abs(result.scores[name].alerts - len(alerts)) <= 2


@pytest.mark.integration
def test_a_run_feeds_a_database_and_prints_its_table(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "harness.benchmarks.detection", "--seeds", "1", "--videos", "60", "--days", "2"]
    done = subprocess.run([*command, "--json", str(file)], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, ""), "so small a world misses goals"
    assert "precision" in done.stdout
    assert "goals met: " in done.stdout
    assert json.loads(file.read_text())["seeds"][0]["judged"] > 100


def test_seeds_for_judging_are_not_dumped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.benchmarks.detection", "--dump", str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "not for trying ideas on" in done.stderr


def test_a_dump_holds_the_readings_and_the_truth(small: Sample, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy", reason="NumPy is of the dependency group bench")
    path = importlib.import_module("harness.benchmarks.detection.dump").dump(small, tmp_path)
    with numpy.load(path) as dumped:
        assert list(dumped["views"]) == list(small.views)
        assert len(dumped["published"]) == len(small.videos)
        truths = [(each.start, each.end) for video in small.videos for each in curve(video).breakouts]
        assert list(zip(dumped["breakout_start"], dumped["breakout_end"], strict=True)) == truths
    assert worlds.kind(small.videos[0], 0) in (1, 2, 3)
