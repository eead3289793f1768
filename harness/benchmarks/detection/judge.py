"""What is a true alert, and the figures that follow. All of it was fixed before the detector was written.

**Truth.** A breakout is a property of the world's generator, before noise: growth of at least 5 times the expected (the
video's own curve without it) and of at least 50 views an hour, for at least 6 h. It lasts from the moment its extra
growth begins until its growth is below that for good.

**Alerts.** An alert is a row of `breakouts`. Its moment is that of the video's last reading before it was written. It
is true if that lies within a breakout, or is the first reading after its end. Only the first alert of a breakout is
true; each further one is false, as is one outside all breakouts. A breakout counts for recall if it began less than 6 h
before the video's first reading or later, and 6 h or more before its last one; an alert of a breakout that does not
count is neither true nor false.

**Figures.** Precision: true among true and false alerts. Recall: breakouts with a true alert, among those that count.
Views still ahead at a true alert: of the video's first seven days if the breakout began in them, else of the seven days
from its start; the figure is the median, of views before the counters' habits. Video-days run from a video's first
reading to its last.

**Baselines.** At the same number of alerts, each with its own threshold: views per hour since the last reading, and
that divided by the median rate of the channel's other videos (of all videos, where the channel has fewer than three
others). Both ask for 50 views an hour, and are ready for a video's next alert below half of the threshold.

**Forecasts.** As they stand in `video_growth` after fixed readings: the first at an age of 2, 6 and 12 h for the views
at 24 h, and of 6, 24 and 72 h for those at 7 days. Coverage is the share of the counts that lie in the 80 % interval.
The error is the median of |forecast - count| / count, of videos with 100 views by then; the naive forecast continues at
the last rate. A video that is gone by then is left out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
LEAST: Final = 6 * HOUR
WEEK: Final = 7 * DAY
FLOOR: Final = 50.0
"""Views an hour that a baseline asks for."""
_ROUNDING: Final = 1.0  # seconds between the times of a reading and of its alert that count as none


class Truth(NamedTuple):
    """A breakout, in seconds."""

    start: float
    end: float
    shape: str


class Distraction(NamedTuple):
    """What a false alert may come from, in seconds."""

    start: float
    end: float
    kind: str


@dataclass(frozen=True)
class Watched:
    """One video as it was read, and the truth about it. Times are in seconds, in order."""

    published: float
    readings: Sequence[float]
    breakouts: Sequence[Truth] = ()
    distractions: Sequence[Distraction] = ()

    def counts(self, truth: Truth) -> bool:
        """Return whether a breakout counts for recall."""
        began = truth.start > self.readings[0] - LEAST
        return began and truth.start <= self.readings[-1] - LEAST

    def last_moment(self, truth: Truth) -> float:
        """Return the last moment at which an alert of a breakout is true."""
        after = bisect_left(self.readings, truth.end)
        return self.readings[after] if after < len(self.readings) else float("inf")

    def moment(self, written: float) -> float:
        """Return the reading from which an alert comes."""
        return self.readings[max(bisect_right(self.readings, written + _ROUNDING) - 1, 0)]

    def start_group(self, truth: Truth) -> str:
        """Return when a breakout begins, as `START_GROUPS` names it."""
        hours = (truth.start - self.readings[0]) / HOUR
        return next(name for below, name in START_GROUPS if hours < below)


START_GROUPS = (
    (0.0, "begun before the first reading"),
    (3.0, "begun up to 3 h after it"),
    (24.0, "begun 3 to 24 h after it"),
    (float("inf"), "begun later"),
)
"""When breakouts begin: hours since the first reading, below which, and the name."""


class Alert(NamedTuple):
    """An alert of a video (by its number)."""

    video: int
    at: float


@dataclass
class Score:
    """What became of alerts and breakouts; scores of several worlds can be added."""

    true: int = 0
    false: int = 0
    ignored: int = 0
    shapes: dict[str, list[int]] = field(default_factory=dict)
    """Breakouts that were found, and that count, by shape."""
    starts: dict[str, list[int]] = field(default_factory=dict)
    """The same, by when they begin, as `START_GROUPS` says."""
    false_by_kind: dict[str, int] = field(default_factory=dict)
    ahead: list[float] = field(default_factory=list)
    """Shares of views still ahead, as `Figures` in the text of this module."""
    ahead_from_start: list[float] = field(default_factory=list)
    """The same, each of the seven days from the breakout's start."""
    hours_to_alert: list[float] = field(default_factory=list)

    @property
    def alerts(self) -> int:
        return self.true + self.false + self.ignored

    @property
    def counted(self) -> int:
        return sum(counted for _, counted in self.shapes.values())

    @property
    def found(self) -> int:
        return sum(found for found, _ in self.shapes.values())

    @property
    def precision(self) -> float | None:
        judged = self.true + self.false
        return self.true / judged if judged else None

    @property
    def recall(self) -> float | None:
        return self.found / self.counted if self.counted else None

    @property
    def share_ahead(self) -> float | None:
        return median(self.ahead) if self.ahead else None

    def add(self, other: Score) -> None:
        """Add the score of another world."""
        self.true += other.true
        self.false += other.false
        self.ignored += other.ignored
        for all_mine, all_theirs in ((self.shapes, other.shapes), (self.starts, other.starts)):
            for name, (found, counted) in all_theirs.items():
                mine = all_mine.setdefault(name, [0, 0])
                mine[0] += found
                mine[1] += counted
        for kind, number in other.false_by_kind.items():
            self.false_by_kind[kind] = self.false_by_kind.get(kind, 0) + number
        self.ahead += other.ahead
        self.ahead_from_start += other.ahead_from_start
        self.hours_to_alert += other.hours_to_alert


def judge(
    videos: Mapping[int, Watched], alerts: Iterable[Alert], views: Callable[[int, float], float] | None = None
) -> Score:
    """Judge alerts against the truth. ``views``: a video's views at a time, for the shares that are still ahead."""
    score = Score()
    of_video: dict[int, list[float]] = defaultdict(list)
    for alert in sorted(alerts, key=lambda each: each.at):
        of_video[alert.video].append(videos[alert.video].moment(alert.at))
    kinds: Counter[str] = Counter()
    for number, video in videos.items():
        truths = sorted(video.breakouts)
        first: dict[Truth, float] = {}
        for moment in of_video.get(number, ()):
            around = [truth for truth in truths if truth.start <= moment <= video.last_moment(truth)]
            open_ones = [truth for truth in around if truth not in first]
            if open_ones:
                first[open_ones[0]] = moment
                if video.counts(open_ones[0]):
                    score.true += 1
                else:
                    score.ignored += 1
            else:
                score.false += 1
                kinds[_kind(video, truths, moment)] += 1
        for truth in truths:
            if not video.counts(truth):
                continue
            groups = (
                score.shapes.setdefault(truth.shape, [0, 0]),
                score.starts.setdefault(video.start_group(truth), [0, 0]),
            )
            for group in groups:
                group[1] += 1
                group[0] += truth in first
            if truth in first:
                _measure(score, video, truth, first[truth], views and (lambda at, n=number: views(n, at)))
    score.false_by_kind = dict(kinds)
    return score


def _kind(video: Watched, truths: Sequence[Truth], moment: float) -> str:
    for truth in truths:
        if truth.start <= moment <= video.last_moment(truth):
            return "second alert of a breakout"
    for each in video.distractions:
        after = bisect_left(video.readings, each.end)
        last = video.readings[after] if after < len(video.readings) else float("inf")
        if each.start <= moment <= last:
            return each.kind
    if any(truth.end < moment <= truth.end + WEEK for truth in truths):
        return "after a breakout"
    return "noise"


def _measure(score: Score, video: Watched, truth: Truth, alert: float, views: Callable[[float], float] | None) -> None:
    score.hours_to_alert.append((alert - truth.start) / HOUR)
    if views is None:
        return
    from_start = _ahead(views, truth.start, alert)
    score.ahead_from_start.append(from_start)
    early = truth.start < video.published + WEEK
    score.ahead.append(_ahead(views, video.published, alert) if early else from_start)


def _ahead(views: Callable[[float], float], begin: float, alert: float) -> float:
    """Return the share of the views of the seven days from `begin` that are still ahead at the alert."""
    before, last = views(begin), views(begin + WEEK)
    return max(last - views(alert), 0.0) / (last - before) if last > before else 0.0


def at_equal_alerts(scores: Mapping[int, Sequence[tuple[float, float]]], number: int) -> list[Alert]:
    """Return the alerts of a baseline: as many as `number`, or as near to it as any threshold brings them.

    ``scores``: of each video, (time, score) of each reading. A video whose score reaches the threshold is an alert; the
    next one needs a score below half of it in between.
    """
    if number <= 0:
        return []
    highest = {video: max((score for _, score in rows), default=0.0) for video, rows in scores.items()}
    tops = sorted((score for score in highest.values() if score > 0), reverse=True)
    if not tops:
        return []
    best: list[Alert] = []
    low, high = 0, min(number, len(tops)) - 1
    while low <= high:  # more videos reach a lower threshold, and some of them more than once
        middle = (low + high) // 2
        found = _crossings(scores, highest, tops[middle])
        if abs(len(found) - number) <= abs(len(best) - number):
            best = found
        if len(found) < number:
            low = middle + 1
        else:
            high = middle - 1
    return best


def _crossings(
    scores: Mapping[int, Sequence[tuple[float, float]]], highest: Mapping[int, float], threshold: float
) -> list[Alert]:
    found = []
    for video, top in highest.items():
        if top < threshold:
            continue
        armed = True
        for at, score in scores[video]:
            if armed and score >= threshold:
                found.append(Alert(video, at))
                armed = False
            elif score < threshold / 2:
                armed = True
    return found


@dataclass
class Forecasts:
    """How forecasts for one age fared."""

    asked: int = 0
    answered: int = 0
    inside: int = 0
    errors: list[float] = field(default_factory=list)
    naive_errors: list[float] = field(default_factory=list)

    def count(
        self, forecast: tuple[float, float, float] | None, naive: float, actual: float, *, least: float = 100
    ) -> None:
        """Count a forecast (low, expected, high), the naive one beside it, and what came."""
        self.asked += 1
        if forecast is None:
            return
        low, expected, high = forecast
        self.answered += 1
        self.inside += low <= actual <= high
        if actual >= least:
            self.errors.append(abs(expected - actual) / actual)
            self.naive_errors.append(abs(naive - actual) / actual)

    @property
    def coverage(self) -> float | None:
        return self.inside / self.answered if self.answered else None

    def add(self, other: Forecasts) -> None:
        """Add those of another world."""
        self.asked += other.asked
        self.answered += other.answered
        self.inside += other.inside
        self.errors += other.errors
        self.naive_errors += other.naive_errors


@dataclass(frozen=True)
class Goal:
    """One line of the table: a figure, its goal, and the better baseline's."""

    what: str
    figure: float | None
    least: float | None = None
    most: float | None = None
    baselines: tuple[float | None, ...] = ()
    unit: str = ""

    @property
    def best_baseline(self) -> float | None:
        known = [each for each in self.baselines if each is not None]
        if not known:
            return None
        return max(known) if self.most is None else min(known)

    @property
    def least_by_baseline(self) -> float | None:
        """Return 1.5 times the better baseline; None where that is more than there can be."""
        best = self.best_baseline
        if best is None or self.most is not None or best * 1.5 > 1:
            return None
        return best * 1.5

    @property
    def met(self) -> bool:
        if self.figure is None:
            return False
        if self.most is not None and self.figure > self.most:
            return False
        if self.least is not None and self.figure < self.least:
            return False
        best = self.best_baseline
        if best is None:
            return True
        if self.most is not None:
            return self.figure * 1.5 <= best
        return self.least_by_baseline is None or self.figure >= self.least_by_baseline


def as_plain(thing: Score | Forecasts) -> dict[str, Any]:
    """Return what JSON can hold of it."""
    return dict(thing.__dict__)
