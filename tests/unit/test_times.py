"""Times as the options of commands give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from atlas.commands.times import moment
from atlas.config import settings

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def noon() -> Any:
    """The schedule clock, standing nearly still."""
    with settings.override(atlas_clock=f"0.000001x@{datetime.now(UTC).isoformat()}={NOON.isoformat()}"):
        yield


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90m", timedelta(minutes=90)), ("24h", timedelta(days=1)), ("7d", timedelta(days=7)),
        (" 2w ", timedelta(days=14)), ("0h", timedelta(0)),
    ],
)  # fmt: skip
def test_a_span_is_so_long_ago_by_the_schedule_clock(noon: None, text: str, ago: timedelta) -> None:
    found = moment(text, "--since")
    assert found is not None
    assert abs(NOON - ago - found) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:30", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01T08:30:00Z", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01 08:30:00+02:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, expected: datetime) -> None:
    assert moment(text, "--since") == expected


def test_no_time_is_none() -> None:
    assert moment(None, "--since") is None


@pytest.mark.parametrize("text", ["", "soon", "24", "h", "-1h", "1y", "2026-13-01", "9999999w", "1.5h"])
def test_anything_else_is_told_with_the_option(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="24h, 7d") as caught:
        moment(text, "--until")
    assert caught.value.param_hint == "--until"
