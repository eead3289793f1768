"""What the harness checks of snapshots, and of the archive."""

from __future__ import annotations

from datetime import timedelta

import pytest

pytest.importorskip("harness.chaos", reason="the harness is part of the checkout, not of the wheel")

from harness.chaos.checks.archive import archived_or_listed
from harness.chaos.checks.snapshots import first_snapshot, snapshot_once, snapshot_times

from ...support.fault_record import HUNTER, SPEED, TRACKER, Story


def known_videos(*ids: str) -> Story:
    story = Story()
    story.hunt(HUNTER, "1", ids)
    return story


def test_readings_one_after_another_are_lawful() -> None:
    story = known_videos("a", "b")
    story.track(TRACKER, "a", "b")
    story.track(TRACKER, "a")
    story.claim(TRACKER, "videos", "b")
    story.call(TRACKER, "batchGetStats", ["b"])
    story.call(TRACKER, "videos", ["a", "b"])  # "b" is a control id for somebody else
    story.pass_(3)  # the database was away
    story.update(TRACKER, "b")
    record = story.record()
    for check in (snapshot_once, first_snapshot, snapshot_times):
        assert check(record).looked_at >= 6
        assert not check(record).violations


def test_two_snapshots_of_one_answer_are_found() -> None:
    story = known_videos("a")
    story.track(TRACKER, "a")
    story.update(TRACKER, "a")
    [violation] = snapshot_once(story.record()).violations
    assert "has led to a snapshot already" in violation
    assert "batchGetStats" in violation


def test_a_video_that_is_enriched_without_a_snapshot_is_found() -> None:
    story = Story()
    story.begin()
    story.change(HUNTER, "videos", "a")
    story.begin()
    story.change(HUNTER, "videos", "a", enriched_at=story.schedule, last_updated_at=story.schedule)
    [violation] = first_snapshot(story.record()).violations
    assert "enriched without a snapshot" in violation
    story.begin()
    story.change(HUNTER, "video_stats_log", "a", observed_at=story.rows["videos", "a"]["enriched_at"])
    assert len(first_snapshot(story.record()).violations) == 2, "another transaction's is none"


def test_a_snapshot_that_its_row_knows_nothing_of_is_found() -> None:
    story = known_videos("a")
    story.begin()
    story.change(TRACKER, "videos", "a", last_updated_at=story.schedule)
    story.change(TRACKER, "video_stats_log", "a", observed_at=story.schedule + timedelta(minutes=1))
    [violation] = first_snapshot(story.record()).violations
    assert "beside its video's row" in violation


def test_a_snapshot_without_an_answer_since_the_claim_is_found() -> None:
    story = known_videos("a")
    story.track(TRACKER, "a")
    story.claim(TRACKER, "videos", "a")
    story.call(TRACKER, "batchGetStats", ["a"], status=500, reason="backendError")
    story.call(TRACKER, "batchGetStats", ["other"])
    story.update(TRACKER, "a")
    [violation] = snapshot_times(story.record()).violations
    assert "from no answer about its video" in violation


@pytest.mark.parametrize("tracked", [True, False], ids=["of a claimed video", "of a new video"])
def test_a_snapshot_that_bears_a_time_before_the_answer_or_after_the_writing_is_found(tracked: bool) -> None:
    for seconds, reason in ((-1, "and call"), (600, "after it was written")):
        story = known_videos("a")
        if tracked:
            story.claim(TRACKER, "videos", "a")
            story.call(TRACKER, "batchGetStats", ["a"])
            story.update(TRACKER, "a", observed=story.schedule + timedelta(seconds=seconds))
        else:
            story.call(HUNTER, "videos", ["b"])
            at = story.schedule + timedelta(seconds=seconds)
            story.change(HUNTER, "videos", "b", enriched_at=at, last_updated_at=at)
            story.change(HUNTER, "video_stats_log", "b", observed_at=at)
        story.pass_(60)
        story.call(HUNTER, "search")
        [violation] = snapshot_times(story.record()).violations
        assert reason in violation


def test_what_the_archive_has_and_what_it_is_to_have_is_lawful() -> None:
    story = known_videos("a", "b", "c")
    story.archive(HUNTER, "a")
    story.archived.add("c")  # written, and its writer killed before it was noted
    assert archived_or_listed(story.record()).looked_at == 3
    assert not archived_or_listed(story.record()).violations


def test_a_video_that_is_marked_without_a_record_and_a_damaged_record_are_found() -> None:
    story = known_videos("a", "b")
    story.archive(HUNTER, "a", "b")
    story.archived.remove("b")
    story.damaged.append("metadata/2026-11-22/a.json: it is no JSON")
    damaged, missing = archived_or_listed(story.record()).violations
    assert "a.json" in damaged
    assert missing.startswith("video b was archived")


def test_a_record_that_was_deleted_for_its_age_is_not_missed() -> None:
    story = known_videos("a")
    story.archive(HUNTER, "a")
    story.archived.clear()
    story.pass_(28 * 86_400 / SPEED)
    story.call(HUNTER, "search")
    assert archived_or_listed(story.record()).violations
    story.pass_(2 * 86_400 / SPEED)
    story.call(HUNTER, "search")
    assert not archived_or_listed(story.record()).violations
