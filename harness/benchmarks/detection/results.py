"""The figures of one world or of several, and the table beside the goals."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from harness.benchmarks.detection import baselines
from harness.benchmarks.detection.judge import (
    DAY,
    START_GROUPS,
    Distraction,
    Forecasts,
    Goal,
    Score,
    Truth,
    Watched,
    as_plain,
    at_equal_alerts,
    judge,
)
from harness.benchmarks.detection.worlds import AROUND, curve
from youtube_sandbox.world import SeededWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.benchmarks.detection.feeding import Found
    from harness.benchmarks.detection.worlds import Sample

DETECTOR, BY_RATE, BY_CHANNEL = "detector", "views/h", "views/h by channel"
_FALSE_OVER: Final = 100_000  # video-days


@dataclass
class Result:
    """What was measured; `scores` of the detector and of both baselines."""

    videos: int = 0
    readings: int = 0
    video_days: float = 0.0
    seconds: float = 0.0
    judged: int = 0
    judging_seconds: float = 0.0
    learning_seconds: float = 0.0
    learnt: int = 0
    decoys: dict[str, int] = field(default_factory=dict)
    scores: dict[str, Score] = field(default_factory=dict)
    forecasts: dict[str, Forecasts] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Result:
        """Return the result that `plain` wrote."""
        scores = {name: Score(**each) for name, each in plain["scores"].items()}
        forecasts = {name: Forecasts(**each) for name, each in plain["forecasts"].items()}
        return cls(**{**plain, "scores": scores, "forecasts": forecasts})

    def plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            **self.__dict__,
            "scores": {name: as_plain(each) for name, each in self.scores.items()},
            "forecasts": {name: as_plain(each) for name, each in self.forecasts.items()},
        }

    @classmethod
    def sum(cls, results: Iterable[Result]) -> Result:
        """Return the figures of several worlds as those of one."""
        whole = cls()
        for each in results:
            for name in ("videos", "readings", "video_days", "judged", "judging_seconds", "learning_seconds", "learnt"):
                setattr(whole, name, getattr(whole, name) + getattr(each, name))
            whole.seconds += each.seconds
            for kind, number in each.decoys.items():
                whole.decoys[kind] = whole.decoys.get(kind, 0) + number
            for name, score in each.scores.items():
                whole.scores.setdefault(name, Score()).add(score)
            for name, forecasts in each.forecasts.items():
                whole.forecasts.setdefault(name, Forecasts()).add(forecasts)
        return whole

    def false_rate(self, name: str) -> float | None:
        """Return false alerts for 100,000 video-days."""
        return self.scores[name].false * _FALSE_OVER / self.video_days if self.video_days else None

    def line(self) -> str:
        """Return the detector's figures in one line."""
        score = self.scores[DETECTOR]
        return (
            f"{score.alerts} alerts, precision {_shown(score.precision)}, recall {_shown(score.recall)} of "
            f"{score.counted}, ahead {_shown(score.share_ahead)}"
        )


def measure(world: Sample, found: Found, seconds: float) -> Result:
    """Return the figures of one world."""
    step = SeededWorld(seed=world.seed, begin=0.0, channels=1).counting_step(AROUND)
    readings: dict[int, list[float]] = {}
    for number, at in zip(world.video, world.at, strict=True):
        readings.setdefault(number, []).append(at)
    watched = {number: _watched(world, number, times, step.at) for number, times in readings.items()}

    def views(number: int, at: float) -> float:
        return curve(world.videos[number]).noisy(at)

    channels = [video.channel.id for video in world.videos]
    by_rate, by_channel = baselines.scores(zip(world.video, world.at, world.views, strict=True), channels)
    alerts = {
        DETECTOR: found.alerts,
        BY_RATE: at_equal_alerts(by_rate, len(found.alerts)),
        BY_CHANNEL: at_equal_alerts(by_channel, len(found.alerts)),
    }
    result = Result(
        videos=len(watched), readings=len(world.at),
        video_days=sum(times[-1] - times[0] for times in readings.values()) / DAY,
        seconds=seconds, judged=found.judged, judging_seconds=found.judging_seconds,
        learning_seconds=found.learning_seconds, learnt=found.learnt,
        scores={name: judge(watched, each, views) for name, each in alerts.items()}, forecasts=found.forecasts,
    )  # fmt: skip
    for number, times in readings.items():
        for decoy in curve(world.videos[number]).decoys:
            if times[0] <= decoy.end and decoy.start <= times[-1]:
                result.decoys[decoy.kind] = result.decoys.get(decoy.kind, 0) + 1
    return result


def _watched(world: Sample, number: int, times: Sequence[float], step: float) -> Watched:
    of = curve(world.videos[number])
    distractions = [Distraction(each.start, each.end, str(each.kind)) for each in of.decoys]
    distractions += [
        Distraction(at, at + 3_600, "change of counting") for at, _ in of.counting if step <= at < step + DAY
    ]
    truths = [Truth(each.start, each.end, str(each.shape)) for each in of.breakouts]
    return Watched(world.videos[number].published, times, truths, distractions)


def goals(result: Result) -> list[Goal]:
    """Return the goals with the figures."""
    detector = result.scores[DETECTOR]
    others = [result.scores[BY_RATE], result.scores[BY_CHANNEL]]
    lines = [
        Goal("precision", detector.precision, 0.9, None, tuple(other.precision for other in others)),
        Goal("recall", detector.recall, 0.9, None, tuple(other.recall for other in others)),
        Goal(
            "views of the first seven days still ahead", detector.share_ahead, 0.6, None,
            tuple(other.share_ahead for other in others),
        ),
        Goal(
            "false alerts per 100,000 video-days", result.false_rate(DETECTOR), None, 10,
            (result.false_rate(BY_RATE), result.false_rate(BY_CHANNEL)),
        ),
    ]  # fmt: skip
    lines += [Goal(f"coverage at {name}", each.coverage, 0.75, 0.85) for name, each in result.forecasts.items()]
    return lines


def show(result: Result, lines: Sequence[Goal], *, seeds: int) -> str:
    """Return the tables as text."""
    detector = result.scores[DETECTOR]
    text = [
        "",
        f"{result.videos:,} videos, {result.video_days:,.0f} video-days, {result.readings:,} readings, "
        f"{detector.counted:,} breakouts that count ({detector.counted / max(result.videos, 1):.1%} of the videos), "
        f"{sum(result.decoys.values()):,} decoys, {seeds} seeds",
        f"judging: {_micro(result.judging_seconds, result.judged)} a video; learning: "
        f"{result.learning_seconds / max(result.learnt, 1):.2f} s each of {result.learnt} times",
        "",
        _line("figure", DETECTOR, BY_RATE, BY_CHANNEL, "goal", ""),
        *map(_row, lines),
        "",
        _three(result, "alerts", lambda score: f"{score.alerts:,}"),
        _three(result, "true / false / neither", lambda score: f"{score.true:,} / {score.false:,} / {score.ignored:,}"),
        _three(result, "ahead of the seven days from its start", lambda score: _shown(_median(score.ahead_from_start))),
        _three(result, "hours from start to alert (median)", lambda score: _shown(_median(score.hours_to_alert), 1)),
    ]
    for shape in sorted(detector.shapes):
        text.append(_three(result, f"recall, {shape}", partial(_share, "shapes", shape)))
    for start in (name for _, name in START_GROUPS if name in detector.starts):
        text.append(_three(result, f"recall, {start}", partial(_share, "starts", start)))
    for kind in sorted({kind for score in result.scores.values() for kind in score.false_by_kind}):
        number = f" ({result.decoys[kind]:,} videos)" if kind in result.decoys else ""
        text.append(_three(result, f"false, {kind}{number}", partial(_false, kind)))
    text.append("")
    for name, each in result.forecasts.items():
        text.append(
            f"forecast at {name}: {each.answered:,} of {each.asked:,} asked; median relative error "
            f"{_shown(_median(each.errors))}, of the last rate {_shown(_median(each.naive_errors))}"
        )
    return "\n".join(text)


def _row(line: Goal) -> str:
    if line.least is not None and line.most is not None:
        goal = f"{line.least:g} to {line.most:g}"
    elif line.most is not None:
        best = line.best_baseline
        goal = f"<= {line.most if best is None else min(line.most, best / 1.5):.3g}"
    else:
        goal = f">= {max(line.least or 0, line.least_by_baseline or 0):.3g}"
    by_rate, by_channel = map(_shown, line.baselines) if line.baselines else ("", "")
    return _line(line.what, _shown(line.figure), by_rate, by_channel, goal, "met" if line.met else "MISSED")


def _three(result: Result, what: str, shown: Callable[[Score], str]) -> str:
    detector, by_rate, by_channel = (shown(result.scores[name]) for name in (DETECTOR, BY_RATE, BY_CHANNEL))
    return _line(what, detector, by_rate, by_channel, "", "")


def _line(what: str, detector: str, by_rate: str, by_channel: str, goal: str, met: str) -> str:
    return f"{what:<43}{detector:>17}{by_rate:>17}{by_channel:>19}{goal:>14}  {met}".rstrip()


def _median(figures: Sequence[float]) -> float | None:
    return median(figures) if figures else None


def _false(kind: str, score: Score) -> str:
    return f"{score.false_by_kind.get(kind, 0):,}"


def _share(groups: str, name: str, score: Score) -> str:
    found, counted = getattr(score, groups).get(name, (0, 0))
    return f"{found / counted:.3f}" if counted else "-"


def _micro(seconds: float, number: int) -> str:
    return f"{seconds / number * 1e6:.0f} µs" if number else "-"


def _shown(figure: float | None, digits: int = 3) -> str:
    return "-" if figure is None else f"{figure:,.{digits}f}"
