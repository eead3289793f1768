"""The Hugging Face provider, with the real huggingface_hub client, against a local server that speaks its protocol."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from pydantic import SecretStr

from atlas import vault
from atlas.config import settings
from atlas.errors import ConfigError
from atlas.vault import Vault
from atlas.vault.layout import decode_part
from atlas.vault.providers import huggingface
from atlas.vault.providers.hub_retries import ATTEMPTS, HubRetries

from ...support.child_processes import finished
from ...support.clock_settings import standing_at
from ...support.fake_hf_hub import DATASET, Fault, Hub
from .conftest import hub_provider, put

pytestmark = pytest.mark.integration

_ = huggingface_hub.HfApi  # slow to import: not within the time limits of the tests

DAY = "2026-11-22"
VIDEO, OTHER = "abcdefghijk", "ABCDEFGHIJK"
FILE = f"metadata/{DAY}/{VIDEO}.json"


def a_vault(hub: Hub, layout: Any = "files", *, flush_seconds: float = 30.0, **options: Any) -> Vault:
    now = datetime(2026, 11, 22, 8, tzinfo=UTC)
    return Vault(hub_provider(hub, **options), layout, now=lambda: now, flush_seconds=flush_seconds)


async def flushed(store: Vault, *videos: str) -> vault.FlushReport:
    for video in videos or (VIDEO,):
        store.store_metadata(video, {"id": video})
    return await store.flush()


@pytest.mark.parametrize("layout", ["files", "packed"])
async def test_a_flush_of_many_records_is_one_commit(hub: Hub, layout: str) -> None:
    ids = tuple(f"video{n:06d}" for n in range(300))  # more than the client asks about in one preupload request
    assert await flushed(a_vault(hub, layout), *ids) == vault.FlushReport(stored=ids)
    assert len(hub.commits) == hub.calls("commit") == 1
    if layout == "files":
        assert len(hub.files) == 300
        assert json.loads(hub.files[f"metadata/{DAY}/video000007.json"])["id"] == "video000007"
    else:
        ((path, part),) = hub.files.items()
        assert path.startswith(f"packed/{DAY}/20261122T080000000000Z-")
        assert [record.video_id for record in decode_part(part)] == list(ids)
    assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY is True
    assert all("pleiades-maia" in agent and "torch" not in agent for agent in hub.agents)


async def test_a_flush_of_nothing_does_not_ask_the_hub(hub: Hub) -> None:
    assert await a_vault(hub).flush() == vault.FlushReport()
    assert hub.requests == []


@pytest.mark.parametrize("status", [408, 409, 412, 429, 500, 502, 503, 504, 520])
async def test_a_commit_that_collides_or_meets_a_busy_hub_is_tried_again(hub: Hub, status: int) -> None:
    hub.faults["commit"] = [status, status]
    assert (await flushed(a_vault(hub))).stored == (VIDEO,)
    assert (hub.calls("commit"), len(hub.commits)) == (3, 1)


@pytest.mark.parametrize(
    ("layout", "kind"),
    [
        *[("files", kind) for kind in ("paths", "card", "preupload", "commit", "tree")],
        *[("packed", kind) for kind in ("preupload", "batch", "upload", "verify", "commit")],
    ],
)
async def test_no_answer_and_half_of_one_are_asked_for_again_and_nothing_is_done_twice(
    hub: Hub, layout: str, kind: str
) -> None:
    ways: list[Any] = ["cut", "lost", "half", "garbage"]
    hub.faults[kind] = list(ways)
    assert (await flushed(a_vault(hub, layout))).stored == (VIDEO,)
    assert len(hub.commits) == 1
    assert hub.tree is not None
    folder = "metadata" if layout == "files" else "packed"
    assert sorted(path.partition("/")[0] for path in hub.tree) == ["README.md", folder]
    assert hub.faults[kind] != ways


async def test_a_commit_that_was_made_though_the_hub_says_it_failed_is_not_made_twice(hub: Hub) -> None:
    commit = hub.faults["commit"] = ["lost", Fault(500), Fault(412)]
    assert (await flushed(a_vault(hub, "packed"))).stored == (VIDEO,)
    assert len(hub.commits) == 1
    assert commit == [Fault(500), Fault(412)], "it was seen to be there before it was sent again"


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (Fault(429, headers={"RateLimit": '"api";r=0;t=7', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}), 7),
        (Fault(429, headers={"RateLimit": '"api";r=12;t=7', "Retry-After": "3"}), 3),
        (Fault(503, headers={"Retry-After": "5"}), 5),
        (Fault(503, headers={"Retry-After": "Sun, 22 Nov 2026 08:00:00 GMT"}), 0),
        (Fault(429), 0),
        # a header outweighs a text that names no time
        (Fault(429, headers={"Retry-After": "3"}, text='{"error": "128 commits per hour."}'), 3),
    ],
)
async def test_the_hub_says_how_long_to_wait(hub: Hub, fault: Fault, asked: float) -> None:
    kinds = ("paths", "preupload", "upload", "commit")
    hub.faults = {kind: [fault] for kind in kinds}
    slept: list[float] = []
    assert (await flushed(a_vault(hub, "packed", slept=slept))).stored == (VIDEO,)
    assert slept == [asked] * len(kinds)


async def test_a_wait_beyond_the_time_limit_is_not_begun(hub: Hub) -> None:
    hub.faults["preupload"] = [Fault(429, headers={"RateLimit": '"api";r=0;t=255'})]
    slept: list[float] = []
    report = await flushed(a_vault(hub, slept=slept))
    assert report.failed == (VIDEO,)
    assert report.error is not None
    assert "Retry after 255 seconds" in report.error
    assert (slept, hub.commits) == ([], [])


COMMITS = (
    "You have exceeded the rate limit for repository commits (128 per hour). You can retry this action in about {}."
)
TEXTS = {
    COMMITS.format("1 hour"): 3600,
    COMMITS.format("27 minutes"): 27 * 60,
    COMMITS.format("an hour"): 3600,
    "You have exceeded our hourly quotas for action: commit. We invite you to retry later.": 3600,
    "Too many requests. Try again in 2 hours": 7200,
}


@pytest.mark.parametrize(("text", "seconds"), TEXTS.items())
async def test_a_limit_that_the_text_names_is_not_run_against(hub: Hub, text: str, seconds: int) -> None:
    hub.faults["commit"] = [Fault(429, text=json.dumps({"error": text}))] * 20
    slept: list[float] = []
    store = a_vault(hub, slept=slept)
    before = datetime.now(UTC)
    for video in (VIDEO, OTHER):
        report = await flushed(store, video)
        assert report.failed == (video,)
        assert report.error is not None
        match = re.search(r"The Hub asks to wait until about (\S+Z)\.$", report.error)
        assert match is not None
        assert 0 <= (datetime.fromisoformat(match[1]) - before).total_seconds() - seconds + 1 < 60
    assert (slept, hub.calls("commit")) == ([], 1), "one answer is enough for all flushes of the process"


def test_waits_between_tries_grow_and_have_jitter(hub: Hub) -> None:
    waits: list[list[float]] = []
    for n in range(2):
        waits.append([])
        hub.faults["commit"] = [412] * (ATTEMPTS - 1)
        provider = hub_provider(hub, retries=HubRetries(sleep=waits[n].append))
        assert not put(provider, {FILE: b"%d" % n}, seconds=600)
    assert all(len(slept) == ATTEMPTS - 1 and all(0 <= wait <= 10 for wait in slept) for slept in waits)
    assert waits[0] != waits[1]


async def test_tries_are_bounded_and_the_failure_is_reported_and_not_raised(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.faults["commit"] = [503] * 20
    store = a_vault(hub)
    report = await flushed(store, VIDEO, OTHER)
    assert hub.calls("commit") == ATTEMPTS
    assert (report.stored, report.failed) == ((), (VIDEO, OTHER))
    assert report.error is not None
    assert report.error.startswith("2 of 2 videos were not archived (huggingface): ")
    assert "503" in report.error
    assert "\n" not in report.error
    assert store.pending() == 0
    assert [r.levelno for r in caplog.records if r.name.startswith("atlas")] == [logging.WARNING]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
@pytest.mark.parametrize("layout", ["files", "packed"])
async def test_what_would_come_back_the_same_is_not_tried_again(hub: Hub, status: int, layout: str) -> None:
    hub.faults["commit"] = [status] * 5
    assert (await flushed(a_vault(hub, layout))).failed == (VIDEO,)
    # what it has against files it may not have against a part
    assert hub.calls("commit") == (2 if status in {400, 413, 422} and layout == "files" else 1)


async def test_a_rejected_token_says_what_to_check_and_is_shown_nowhere(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    # not of the shape that the scrubber would know by sight: only its value gives it away
    secret = "rejectedSecretWithoutPrefix"
    caplog.set_level(logging.DEBUG)
    store = a_vault(hub, token=secret)
    report = await flushed(store)
    assert report.error is not None
    # the server's own text, which repeats the token, is passed on without it
    for words in ("HF_DATASET_ID", "HF_TOKEN", "Invalid credentials"):
        assert words in report.error
    assert secret not in report.error + caplog.text + repr(store.provider.__dict__)


async def test_a_hub_that_hangs_is_left_behind_when_the_time_is_up(hub: Hub) -> None:
    hub.faults["commit"] = ["hang"]
    async with asyncio.timeout(10):
        report = await flushed(a_vault(hub, flush_seconds=0.5))
    assert report.failed == (VIDEO,)
    assert report.error is not None
    assert "no answer" in report.error
    hub.over.set()
    for thread in threading.enumerate():  # it ends by itself once the connection does
        if thread.name == "vault-flush":
            thread.join(10)
            assert not thread.is_alive()


async def test_a_hub_that_is_not_there_is_reported(hub: Hub) -> None:
    hub.endpoint = "http://127.0.0.1:9"
    report = await flushed(a_vault(hub))
    assert report.failed == (VIDEO,)
    assert report.error is not None
    assert "no answer from 127.0.0.1: " in report.error


async def test_what_the_datasets_gitignore_leaves_out_is_not_called_stored(hub: Hub) -> None:
    hub.ignored = {FILE}
    report = await flushed(a_vault(hub), VIDEO, OTHER)
    assert (report.stored, report.failed) == ((OTHER,), (VIDEO,))
    assert report.error is not None
    assert ".gitignore" in report.error


REFUSED = Fault(404, headers={"X-Error-Code": "RepoNotFound"})


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        ({"writable": [401]}, ["writable"]),
        ({"writable": [403]}, ["writable"]),
        ({"writable": [REFUSED], "create": [403]}, ["writable", "create"]),
        # it exists, and this token does not see it
        ({"writable": [REFUSED, REFUSED]}, ["writable", "create", "writable"]),
        ({}, []),  # a token that the Hub does not know
    ],
)
async def test_a_token_that_may_not_write_is_a_config_error_that_names_the_dataset(
    hub: Hub, faults: dict[str, Any], requests: list[str]
) -> None:
    hub.faults |= faults
    store = a_vault(hub, token=None if faults else "hf_another")
    with pytest.raises(ConfigError, match=rf"^HF_DATASET_ID, HF_TOKEN: .*{DATASET}") as caught:
        await store.check_writable()
    assert hub.requests == requests
    assert hub.token not in str(caught.value)


async def test_a_dataset_that_is_missing_is_made_when_it_is_asked_for(hub: Hub) -> None:
    hub.tree = None
    await a_vault(hub).check_writable()
    assert (hub.tree, hub.private) == ({}, True)
    assert hub.requests == ["writable", "create"]


async def test_an_erasure_makes_no_dataset_of_a_wrong_name_and_finds_none(hub: Hub) -> None:
    hub.tree = None
    provider = hub_provider(hub, create=False)
    provider.check_writable()
    for ask in (lambda: list(provider.list("")), lambda: put(provider, {"a.json": b"{}"})):
        with pytest.raises(FileNotFoundError):
            ask()
    assert hub.tree is None
    assert "create" not in hub.requests


@pytest.mark.parametrize("fault", [408, 429, 500, 502, 503, 504, "cut", "half", "hang"])
async def test_a_hub_that_gives_no_answer_is_asked_once_and_stops_nobody(
    hub: Hub, fault: int | str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.faults["writable"] = [fault] * 3
    if fault == "hang":
        monkeypatch.setattr(huggingface, "_CHECK_SECONDS", 0.5)
    await a_vault(hub).check_writable()
    assert hub.requests == ["writable"]
    assert "cannot check whether the archive can be written" in caplog.text


async def in_a_process(hub: Hub, folder: Path, script: str) -> tuple[str, str]:
    """What a script prints and logs in a process with the settings of the Hub."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "VAULT_PROVIDER": "huggingface", "HF_DATASET_ID": DATASET,
        "HF_TOKEN": hub.token, "HF_ENDPOINT": hub.endpoint,
        "ATLAS_CLOCK": standing_at(datetime(2017, 11, 14, 23, 30, tzinfo=UTC)),
    }  # fmt: skip
    code, out, err = await finished(sys.executable, "-c", script, env=env, cwd=folder)
    assert code == 0, err.decode()
    assert list(folder.iterdir()) == [], "nothing is cached on the disk"
    return out.decode(), err.decode()


async def test_the_settings_and_hf_endpoint_are_enough(hub: Hub, tmp_path: Path) -> None:
    """A process of its own, as HF_ENDPOINT is read when the library is imported."""
    script = (
        "import asyncio, sys\n"
        "from atlas import vault\n"
        "vault.check(); vault.store_metadata('abcdefghijk', {'id': 'abcdefghijk'})\n"
        "assert 'huggingface_hub' not in sys.modules\n"
        "report = asyncio.run(vault.flush())\n"
        "print(report.stored, report.error)\n"
        "from datetime import date\n"
        "assert vault.load_metadata('abcdefghijk', date(2017, 11, 14))['id'] == 'abcdefghijk'\n"
    )
    assert await in_a_process(hub, tmp_path, script) == ("('abcdefghijk',) None\n", "")
    assert list(hub.files) == ["metadata/2017-11-14/abcdefghijk.json"]


async def test_a_hanging_flush_does_not_keep_the_process_alive(hub: Hub, tmp_path: Path) -> None:
    hub.faults["commit"] = ["hang"] * 5
    script = (
        "import asyncio\n"
        "from atlas import vault\n"
        "vault.store_metadata('abcdefghijk', {})\n"
        "print(asyncio.run(vault.flush(1.5)).failed, flush=True)\n"
    )
    async with asyncio.timeout(20):
        out, err = await in_a_process(hub, tmp_path, script)
    assert out == "('abcdefghijk',)\n"
    assert "no answer" in err


async def test_the_module_uses_the_dataset_of_the_settings(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.endpoint)
    with settings.override(vault_provider="huggingface", hf_dataset_id=DATASET, hf_token=SecretStr(hub.token)):
        vault.check()
        vault.store_metadata(VIDEO, {"id": VIDEO})
        assert (await vault.flush()).stored == (VIDEO,)
