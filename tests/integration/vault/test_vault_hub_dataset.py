"""The dataset on the Hub: made, described, read back, squashed."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime

import pytest
import yaml

from atlas.vault import Vault
from atlas.vault.dataset_card import CARD
from atlas.vault.layout import COLUMNS, encode_part
from atlas.vault.providers.base import ArchiveFile, Refused
from atlas.vault.providers.huggingface import HuggingFaceProvider
from atlas.vault.records import Record

from ...support.fake_hf_hub import DATASET, Fault, Hub
from .conftest import hub_provider, put

pytestmark = pytest.mark.integration

FILE, OTHER = "metadata/2026-11-22/aaaaaaaaaaa.json", "metadata/2026-11-22/bbbbbbbbbbb.json"
PART, NEW = (f"packed/2026-11-22/20261122T08000{n}000000Z-0a1b2c3d.jsonl.zst" for n in (0, 1))


@pytest.fixture
def provider(hub: Hub) -> HuggingFaceProvider:
    return hub_provider(hub)


@pytest.mark.parametrize("private", [True, False])
def test_a_missing_dataset_is_created_private_by_default(
    hub: Hub, private: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hub.tree = None
    options = {} if private else {"private": False}
    assert not put(hub_provider(hub, **options), {FILE: b"{}\n"})
    assert hub.private is private
    assert hub.files == {FILE: b"{}\n"}
    assert (len(hub.commits), hub.calls("create")) == (1, 1)
    assert f"creating the dataset {DATASET} ({'private' if private else 'public'})" in caplog.text


def test_a_dataset_that_another_shard_makes_at_this_moment_is_used(hub: Hub) -> None:
    hub.faults["paths"] = [Fault(404, headers={"X-Error-Code": "RepoNotFound"})]
    hub.private = True
    assert not put(hub_provider(hub, private=False), {FILE: b"{}\n"})
    assert hub.calls("create") == 1
    assert (hub.private, hub.files) == (True, {FILE: b"{}\n"})


async def test_a_missing_dataset_looks_like_a_hidden_one_and_is_made_by_a_flush(hub: Hub) -> None:
    hub.tree = None
    provider = hub_provider(hub)
    for ask in (lambda: list(provider.list("")), lambda: provider.read(FILE)):
        with pytest.raises(FileNotFoundError, match=f"knows no dataset {DATASET}, or does not show it"):
            ask()
    assert hub.calls("create") == 0
    store = Vault(provider)
    assert store.load_metadata("aaaaaaaaaaa", date(2026, 11, 22)) is None
    store.store_metadata("aaaaaaaaaaa", {})
    assert (await store.flush()).stored == ("aaaaaaaaaaa",)


def test_a_token_that_may_not_write_makes_nothing(hub: Hub) -> None:
    hub.tree = None
    hub.faults["create"] = [403] * 5
    provider = hub_provider(hub)
    with pytest.raises(OSError, match=r"HF_DATASET_ID.*HF_TOKEN may write to it"):
        put(provider, {FILE: b"{}\n"})
    assert hub.tree is None
    wrong = hub_provider(hub, token="anotherToken")
    asked = list(hub.requests)
    for ask in (lambda: put(wrong, {FILE: b"{}\n"}), lambda: list(wrong.list(""))):
        with pytest.raises(OSError, match="HF_TOKEN") as caught:
            ask()
        assert "anotherToken" not in str(caught.value)
    assert hub.requests == asked


def test_the_card_is_written_once_with_the_first_records(hub: Hub, provider: HuggingFaceProvider) -> None:
    for n in range(3):
        assert not put(provider, {FILE: b"%d\n" % n})
    assert not put(hub_provider(hub), {OTHER: b"{}\n"})
    assert [CARD in change.added.values() for change in hub.commits] == [True, False, False, False]
    assert hub.calls("paths") == 2, "each process looks once"
    put(provider, {"README.md": b"# Mine\n"})
    put(hub_provider(hub), {FILE: b"{}\n"})
    assert provider.read("README.md") == b"# Mine\n", "a card of one's own is left alone"


def test_the_card_names_the_parts_and_their_columns_for_the_viewer() -> None:
    _, head, text = CARD.decode().split("---\n", 2)
    described = yaml.safe_load(head)
    (config,) = described["configs"]
    assert config["data_files"] == [{"split": "train", "path": "packed/*/*.jsonl.zst"}]
    types = {feature["name"]: feature["dtype"] for feature in described["dataset_info"]["features"]}
    assert tuple(types) == COLUMNS
    assert {name for name, type_ in types.items() if type_ != "string"} == {"date", "published_at"}
    assert text.startswith("\n# ")


def test_a_long_list_is_read_page_by_page_and_sorted(hub: Hub, provider: HuggingFaceProvider) -> None:
    paths = [f"metadata/2026-11-22/video{n:05d}.json" for n in range(2_500)]
    put(provider, dict.fromkeys([*paths, PART], b"{}\n"))
    hub.requests.clear()
    assert list(provider.list("metadata/2026-11-22")) == [ArchiveFile(path, 3) for path in paths]
    assert hub.requests == ["tree"] * 3
    hub.faults["tree"] = [503, "half", 429]
    assert [entry.path for entry in provider.list("")] == ["README.md", *paths, PART]
    assert not put(provider, {NEW: b"part"}, *paths)
    assert hub.files == {NEW: b"part", PART: b"{}\n"}
    assert len(hub.commits) == 2, "many files are packed in one commit"


def test_a_download_that_fails_is_asked_for_again_and_its_address_is_not_shown(
    hub: Hub, provider: HuggingFaceProvider
) -> None:
    put(provider, {PART: b"part"})
    wait = Fault(429, headers={"RateLimit": '"resolvers";r=0;t=30'})
    for kind, faults in (("read", [503, "cut", wait]), ("download", [503, "cut", wait, "half"])):
        hub.faults[kind] = faults
        assert provider.read(PART) == b"part"
        assert hub.faults[kind] == []
    hub.faults["download"] = [403]
    with pytest.raises(OSError, match=r"403.*cdn") as caught:
        provider.read(PART)
    assert "unitTestsSignature" not in str(caught.value)


def test_deletions_whose_answer_was_lost_are_done_once(hub: Hub, provider: HuggingFaceProvider) -> None:
    put(provider, {FILE: b"{}\n", PART: b"old part", OTHER: b"{}\n"})
    hub.faults["commit"] = ["lost"]
    assert not put(provider, {NEW: b"new part"}, FILE, PART)
    assert hub.files == {NEW: b"new part", OTHER: b"{}\n"}
    hub.faults["commit"] = ["lost"]
    for _ in range(2):
        assert not put(provider, {}, OTHER)
    assert hub.files == {NEW: b"new part"}
    assert len(hub.commits) == 3
    provider.erase_history()
    assert hub.says(b"old part") == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(404, headers={"X-Error-Code": "EntryNotFound"}, text="A file with this name doesn't exist"),
        Fault(400, text="LFS pointer pointed to a file that does not exist"),
    ],
    ids=["a file was deleted", "the part was swept away"],
)
def test_a_commit_that_another_process_has_overtaken_is_made_again(
    hub: Hub, provider: HuggingFaceProvider, fault: Fault
) -> None:
    put(provider, {FILE: b"{}\n", OTHER: b"{}\n"})
    hub.faults["commit"] = [fault]
    parts = {f"packed/2026-11-2{n}/20261122T080000000000Z-0a1b2c3d.jsonl.zst": b"%d" % n for n in range(5)}
    assert not put(provider, parts, FILE, OTHER)
    assert hub.calls("commit") == 3
    assert hub.files == parts
    assert len(hub.commits) == 2


def test_a_refusal_of_the_hub_is_told_apart(hub: Hub, provider: HuggingFaceProvider) -> None:
    hub.folder_limit = 1
    with pytest.raises(Refused, match="too many files per directory"):
        put(provider, {FILE: b"{}\n", OTHER: b"{}\n"})
    assert hub.files == {}


def test_erasing_history_leaves_what_stands_and_nothing_else_of_the_archive(
    hub: Hub, provider: HuggingFaceProvider
) -> None:
    kept, gone = (encode_part([Record(id_, date(2026, 11, 22), b'{"id":"%s"}\n' % id_.encode())]) for id_ in ("k", "g"))
    put(
        provider, {FILE: b'{"secret":"gone"}\n', OTHER: b'{"kept":1}\n', PART: gone, NEW: kept, "mine.parquet": b"mine"}
    )
    put(provider, {FILE: b'{"kept":2}\n'}, PART, "mine.parquet")
    assert hub.says(gone)
    assert hub.says(b'"secret"')
    hub.age(hours=2)
    provider.erase_history()
    assert hub.says(gone) == []
    assert hub.says(b'"secret"') == []
    assert hub.says(b"mine"), "large files of one's own are left alone"
    assert len(hub.history) == 1
    assert hub.files == {FILE: b'{"kept":2}\n', OTHER: b'{"kept":1}\n', NEW: kept}


def test_a_part_that_another_process_took_out_goes_an_hour_later(hub: Hub, provider: HuggingFaceProvider) -> None:
    put(provider, {PART: b"gone", NEW: b"kept"})
    put(hub_provider(hub), {}, PART)
    provider.erase_history()
    assert hub.says(b"gone"), "it might be one that another shard is about to commit"
    hub.age(hours=2)
    provider.erase_history()
    assert hub.says(b"gone") == []
    assert provider.read(NEW) == b"kept"


def test_a_list_of_large_files_that_does_not_know_those_that_stand_is_not_trusted(
    hub: Hub, provider: HuggingFaceProvider
) -> None:
    put(provider, {PART: b"part"})
    body, name, _ = next(iter(hub.objects.values()))
    hub.objects["f" * 64] = (b"another way to name it", name, datetime(2026, 1, 1, tzinfo=UTC))
    hub.hidden = set(hub.objects) - {"f" * 64}
    with pytest.raises(OSError, match="none was deleted"):
        provider.erase_history()
    assert "f" * 64 in hub.objects
    assert provider.read(PART) == body


@pytest.mark.parametrize("kind", ["squash", "large", "sweep"])
def test_erasing_that_meets_a_busy_hub_is_done_again(hub: Hub, provider: HuggingFaceProvider, kind: str) -> None:
    put(provider, {PART: b"gone", NEW: b"kept"})
    put(provider, {}, PART)
    hub.faults[kind] = [503, "cut", 429]
    provider.erase_history()
    assert hub.says(b"gone") == []
    assert hub.files == {NEW: b"kept"}


def test_erasing_that_is_refused_says_so(hub: Hub, provider: HuggingFaceProvider) -> None:
    put(provider, {PART: b"part"})
    hub.faults["squash"] = [403]
    with pytest.raises(OSError, match="HF_TOKEN"):
        provider.erase_history()
