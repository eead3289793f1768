"""Faults on request."""

from datetime import UTC, datetime

import pytest

from atlas.config.keypool import fingerprint
from atlas.errors import ConfigError
from atlas.quota.buckets import Bucket
from youtube_sandbox.faults import ENDPOINTS, GRAMMAR, Fault, Faults, Kind

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)
KEY = fingerprint("some key")


def strikes(
    spec: str, amount: int, endpoint: str = "search", key: str = KEY, agent: str = "", paged: bool = False
) -> str:
    """x for each call that is struck, . for the others."""
    fault = Fault.parse(spec)
    return "".join(".x"[fault.strikes(endpoint, key, agent, paged=paged)] for _ in range(amount))


@pytest.mark.parametrize(
    ("spec", "pattern"),
    [
        ("rate-limit", "xxxxx"),
        ("rate-limit:search", "xxxxx"),
        ("rate-limit:*", "xxxxx"),
        ("rate-limit:videos", "....."),
        ("rate-limit:search:after=2", "..xxx"),
        ("rate-limit:search:times=2", "xx..."),
        ("rate-limit:search:after=1:times=3", ".xxx."),
        ("rate-limit:p=0", "....."),
        ("rate-limit:key=some key", "xxxxx"),
        (f"rate-limit:key={KEY}", "xxxxx"),
        ("rate-limit:key=another key", "....."),
        ("rate-limit:agent=hunter", "....."),
        ("page-token", "....."),
        ("stale-page", "....."),
    ],
)
def test_which_calls_are_struck(spec: str, pattern: str) -> None:
    assert strikes(spec, 5) == pattern


def test_agents_and_pages_are_looked_at() -> None:
    assert strikes("cut:agent=hunter", 2, agent="maia/1.0 (hunter 0/4)") == "xx"
    assert strikes("page-token", 2, paged=True) == strikes("stale-page", 2, paged=True) == "xx"


def test_probability_is_seeded() -> None:
    pattern = strikes("cut:p=0.3", 1_000)
    assert 230 < pattern.count("x") < 370
    assert strikes("cut:p=0.3", 1_000) == pattern


def test_a_specification_is_shown_without_its_key() -> None:
    fault = Fault.parse("key-invalid:search:key=some key:times=2")
    assert fault.as_dict() == {"spec": f"key-invalid:search:key={KEY}:times=2", "matched": 0, "struck": 0}
    assert "some key" not in repr(fault)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "there is no kind ''"),
        ("explode", "there is no kind 'explode'; the kinds are rate-limit"),
        ("cut:comments", "there is no endpoint 'comments'"),
        ("cut:search:often", "'often' is no option"),
        ("cut:after=", "'after' is no option"),
        ("cut:after=soon", "after takes a whole number, not 'soon'"),
        ("cut:times=-1", "times takes a whole number"),
        ("cut:p=2", "p takes a number from 0 to 1"),
        ("cut:p=nan", "p takes a number from 0 to 1"),
        ("slow:seconds=x", "seconds takes a number of seconds"),
        ("cut:seconds=1", "'seconds' belongs to slow"),
        ("backend-error:status=404", "status takes 500 or 503"),
        ("key-blocked:reason=MOOD", "reason takes API_KEY_SERVICE_BLOCKED or"),
    ],
)
def test_what_cannot_be_read_is_explained(spec: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Fault.parse(spec)
    assert said in str(caught.value)


def test_a_kind_either_refuses_or_spoils_or_slows() -> None:
    for kind in Kind:
        fault = Fault(kind)
        refuses = fault.refusal(Bucket.UNITS, "1", 1, NOW) is not None
        assert [refuses, fault.spoils, kind is Kind.SLOW].count(True) == 1


def test_slowness_adds_up_and_the_first_other_fault_wins() -> None:
    faults = Faults(["slow:seconds=1", "slow:search:seconds=0.5", "cut:videos", "rate-limit", "key-invalid"])
    delay, fault = faults.strike("search", KEY, "", paged=False)
    assert delay == 1.5
    assert fault is not None
    assert fault.kind is Kind.RATE_LIMIT
    assert [entry["struck"] for entry in faults.as_list()] == [1, 1, 0, 1, 0]


def test_faults_are_replaced_only_by_such_as_can_be_read() -> None:
    faults = Faults(["cut"])
    with pytest.raises(ConfigError):
        faults.set(["slow", "nonsense"])
    assert [entry["spec"] for entry in faults.as_list()] == ["cut:*"]
    faults.clear()
    assert faults.strike("search", None, "", paged=False) == (0.0, None)
    faults.add("drop:videos")
    assert len(faults.as_list()) == 1


def test_the_grammar_names_every_kind_and_endpoint() -> None:
    assert all(f"\n  {kind} " in GRAMMAR for kind in Kind)
    assert all(endpoint in GRAMMAR for endpoint in ENDPOINTS)
