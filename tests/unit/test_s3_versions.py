"""What a versioned bucket keeps of replaced and deleted files: all of it goes, and no file of the present with it."""

from __future__ import annotations

import logging
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fsspec.implementations.memory import MemoryFileSystem
from s3fs.errors import translate_boto_error

from atlas.vault.providers import s3_versions
from atlas.vault.providers.s3_versions import erase_versions

BUCKET = "archives"
FOLDERS = (f"{BUCKET}/maia/metadata/", f"{BUCKET}/maia/packed/")
FILE, OTHER, PART = "maia/metadata/a.json", "maia/metadata/b.json", "maia/packed/c.zst"


class Store(MemoryFileSystem):  # type: ignore[misc]
    """A bucket that keeps versions as S3 does, and answers the two calls that S3 knows of them.

    Attributes:
        versioning: whether what is written from now on keeps what was there; never turned on, there is no history.
        kept: every version and mark of deletion, of each file the newest first.
        page: how many of them one answer lists.
        forgetful: it does not find its place again in a list whose last entry is gone.
        refused: what the calls of this name are answered with.
        calls: the names of those that were made.
    """

    cachable = False

    def __init__(self, *, versioning: bool = True) -> None:
        super().__init__()
        # its own: else all of one process have the same files
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]
        self.versioning = versioning
        self.kept: dict[str, list[dict[str, Any]]] = {}
        self.page = 1_000
        self.forgetful = False
        self.refused: dict[str, OSError | dict[str, Any]] = {}
        self.calls: list[str] = []
        self._numbers = count(1)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.pipe_file(f"{BUCKET}/{key}", b"{}")
            self._note(key, {"Mark": False})

    def delete(self, *keys: str) -> None:
        for key in keys:
            self.rm_file(f"{BUCKET}/{key}")
            self._note(key, {"Mark": True})

    def present(self) -> list[str]:
        return [path.removeprefix(f"/{BUCKET}/") for path in self.find(f"/{BUCKET}")]

    def history(self) -> dict[str, int]:
        """How many versions and marks there are of each file, its present one among them."""
        return {key: len(kept) for key, kept in self.kept.items() if kept}

    def call_s3(self, method: str, **asked: Any) -> dict[str, Any]:
        self.calls.append(method)
        assert asked.pop("Bucket") == BUCKET
        match self.refused.get(method):
            case OSError() as error:
                raise error
            case dict() as answer:
                return answer
        if method == "delete_object":
            return self._delete({"Objects": [asked]})
        return self._list(**asked) if method == "list_object_versions" else self._delete(**asked)

    def _note(self, key: str, entry: dict[str, Any]) -> None:
        """Without versioning the newest one is the null version, and takes its place."""
        number = f"v{next(self._numbers)}" if self.versioning else "null"
        before = [one for one in self.kept.get(key, []) if one["VersionId"] != number]
        gone = entry["Mark"] and not self.versioning and not before
        self.kept[key] = [] if gone else [{"Key": key, "VersionId": number, **entry}, *before]

    def _list(self, Prefix: str, KeyMarker: str = "", VersionIdMarker: str = "") -> dict[str, Any]:  # noqa: N803
        found = [
            {**one, "IsLatest": place == 0}
            for key in sorted(self.kept)
            if key.startswith(Prefix)
            for place, one in enumerate(self.kept[key])
        ]
        places = [(one["Key"], one["VersionId"]) for one in found]
        if KeyMarker:
            after = (KeyMarker, VersionIdMarker)
            if after in places:
                found = found[places.index(after) + 1 :]
            else:
                found = [] if self.forgetful else [one for one in found if one["Key"] >= KeyMarker]
        page, more = found[: self.page], len(found) > self.page
        answer: dict[str, Any] = {"IsTruncated": more}
        for kind, marks in (("Versions", False), ("DeleteMarkers", True)):
            if listed := [one for one in page if one["Mark"] is marks]:
                answer[kind] = listed
        if more:
            answer |= {"NextKeyMarker": page[-1]["Key"], "NextVersionIdMarker": page[-1]["VersionId"]}
        return answer

    def _delete(self, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        assert 0 < len(Delete["Objects"]) <= s3_versions._AT_ONCE
        for one in Delete["Objects"]:
            kept = self.kept[one["Key"]]
            kept[:] = [each for each in kept if each["VersionId"] != one["VersionId"]]
            shown = bool(kept) and not kept[0]["Mark"]
            assert shown == self.exists(f"{BUCKET}/{one['Key']}"), f"{one['Key']} came back, or is gone"
        return {}


def refusal(code: str, message: str = "No.") -> OSError:
    """What s3fs makes of an answer that refuses."""
    error = translate_boto_error(ClientError({"Error": {"Code": code, "Message": message}}, "ListObjectVersions"))
    assert isinstance(error, OSError)
    return error


NOTES = ("notes.txt", "maia/notes.txt", "maia/metadata.txt", "maia2/metadata/a.json")


def test_of_a_versioned_bucket_the_present_files_are_left_and_nothing_else() -> None:
    store = Store()
    erase_versions(store, FOLDERS)
    assert set(store.calls) == {"list_object_versions"}, "an empty bucket is only looked at"
    store.put(FILE, OTHER, PART, FILE, FILE, *NOTES, *NOTES)
    store.delete(OTHER, PART, *NOTES)
    store.put(PART)
    erase_versions(store, FOLDERS)
    assert store.history() == {FILE: 1, PART: 1, **dict.fromkeys(NOTES, 3)}, "what is not in the folders keeps its own"
    assert store.present() == [FILE, PART]


def test_what_was_kept_before_versioning_was_turned_off_goes_too() -> None:
    store = Store()
    store.put(FILE, FILE, OTHER)
    store.versioning = False
    store.put(FILE)
    store.delete(OTHER)
    assert store.history() == {FILE: 3, OTHER: 2}
    erase_versions(store, FOLDERS)
    assert store.history() == {FILE: 1}
    assert store.kept[FILE][0]["VersionId"] == "null"
    assert store.present() == [FILE]


def test_of_a_bucket_that_never_had_versions_nothing_is_deleted() -> None:
    store = Store(versioning=False)
    store.put(FILE, OTHER, FILE, PART)
    store.delete(OTHER)
    erase_versions(store, FOLDERS)
    assert "delete_objects" not in store.calls
    assert store.present() == [FILE, PART]


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize(("page", "at_once"), [(1, 1), (3, 2), (2, 5), (1_000, 4)])
def test_long_histories_go_page_by_page(
    monkeypatch: pytest.MonkeyPatch, page: int, at_once: int, forgetful: bool
) -> None:
    monkeypatch.setattr(s3_versions, "_AT_ONCE", at_once)
    store = Store()
    store.page, store.forgetful = page, forgetful
    names = [f"maia/metadata/{n}.json" for n in range(5)]
    store.put(*names, *names, *names)
    store.delete(*names[1:])
    erase_versions(store, FOLDERS)
    assert store.history() == {names[0]: 1}
    assert store.present() == names[:1]


@pytest.mark.parametrize("code", ["NotImplemented", "MethodNotAllowed", "501", "405"])
def test_a_store_that_knows_no_versions_is_logged_and_asked_once(code: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = Store(versioning=False)
    store.put(FILE)
    store.refused["list_object_versions"] = refusal(code)
    erase_versions(store, FOLDERS)
    assert "the store of bucket archives keeps no versions" in caplog.text
    assert store.calls == ["list_object_versions"]
    assert store.present() == [FILE]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("MissingContentMD5", "Missing required header for this request: Content-Md5."),
        ("InvalidRequest", "Missing required header for this request: Content-MD5"),
        ("NotImplemented", "The requested resource is not implemented"),
        ("411", "Length Required"),
    ],
)
def test_where_bulk_deletions_are_refused_versions_go_one_by_one(code: str, message: str) -> None:
    store = Store()
    store.put(FILE, FILE, FILE)
    store.refused["delete_objects"] = refusal(code, message)
    erase_versions(store, FOLDERS)
    assert store.history() == {FILE: 1}
    assert (store.calls.count("delete_objects"), store.calls.count("delete_object")) == (1, 2)


FAILED = {"Key": FILE, "Code": "AccessDenied", "Message": "the object is locked"}


@pytest.mark.parametrize(
    ("method", "answer", "reason"),
    [
        ("list_object_versions", refusal("AccessDenied", "not authorized: s3:ListBucketVersions"), "not authorized"),
        ("list_object_versions", OSError("Connection reset by peer"), "reset by peer"),
        ("delete_objects", OSError("Connection reset by peer"), "reset by peer"),
        ("delete_objects", {"Errors": [FAILED] * 2}, "^2 earlier versions could not be deleted: the object is locked$"),
        ("delete_objects", {}, f"still lists {FILE}"),
    ],
    ids=["may not be listed", "not listed", "not deleted", "may not be deleted", "deleted, and still there"],
)
def test_versions_that_are_not_deleted_are_an_error_and_go_the_next_time(
    method: str, answer: OSError | dict[str, Any], reason: str
) -> None:
    store = Store()
    store.put(FILE, FILE, PART, PART)
    store.refused[method] = answer
    with pytest.raises(OSError, match=reason):
        erase_versions(store, FOLDERS)
    assert store.history() == {FILE: 2, PART: 2}
    store.refused.clear()
    erase_versions(store, FOLDERS)
    assert store.history() == {FILE: 1, PART: 1}


def test_a_file_that_another_process_deletes_meanwhile_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.put(FILE, FILE, OTHER)
    call = store.call_s3

    def deleted_before(method: str, **asked: Any) -> dict[str, Any]:
        if method == "delete_objects" and FILE in store.present():
            store.delete(FILE)
        return call(method, **asked)

    monkeypatch.setattr(store, "call_s3", deleted_before)
    erase_versions(store, FOLDERS)
    assert store.history() == {OTHER: 1}
    assert store.present() == [OTHER]
