"""Secrets are removed from foreign texts: known values, and what looks like a secret."""

from __future__ import annotations

import json
import time

import pytest

from atlas.redaction import remember_secret, scrub, without_login

S = "s3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://host/v3/search?q=a&key={S}&part=id",
        f"https://host/?access_token={S}",
        f"postgresql://user:{S}@host:5432/database",
        f"postgresql://user:{S}@{S}@host/database",
        f"postgresql://user:{S}/{S}@host/database",
        f"postgresql://:{S}@host",
        f"user:{S}@host/x is no address",
        f"cannot reach 'user:{S}@127.0.0.1'",
        f"user:{S}@{S}@host",
        f"s3:/user:{S}@bucket",
        f"password={S} host=x",
        f"PASSWORD: {S}",
        f"X-Goog-Api-Key: {S}",
        f"hf_token={S}",
        f"api_key={S}",
        f"client_secret={S}",
        f"{{'X-Goog-Api-Key': '{S}'}}",
        f'{{"token": "{S}"}}',
        f"Authorization: Bearer {S}",
        "AIza" + S * 6,
        "hf_" + S * 6,
    ],
)
def test_what_looks_like_a_secret_is_removed(text: str) -> None:
    assert S not in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "HF_DATASET_ID required: set it to a dataset such as me/maia-archive",
        "YOUTUBE_API_KEY_POOL_JSON is not JSON (line 1, column 2)",
        "Empty KeyRing: no keys for 'hunting'",
        "the database cannot be reached: [Errno 111] Connect call failed ('127.0.0.1', 5432)",
        "https://host:8080/path is not there",
        "HF_TOKEN: it must not be empty",
        "duplicate key value violates unique constraint",
        "ghcr.io/pleiades/maia:v1@sha256:0123456789abcdef",
        "10:53:16 me@example.com: a letter",
        "write s3://bucket/archive, or user@host",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub(text) == text


def test_a_long_text_without_blanks_is_scrubbed_in_time_that_grows_with_its_length() -> None:
    text = json.dumps({f"key{n}": f"http://host{n}:80" for n in range(20_000)}, separators=(",", ":"))
    began = time.process_time()
    assert scrub(text) == text
    assert time.process_time() - began < 5


def test_a_known_secret_is_removed_wherever_it_stands() -> None:
    remember_secret("open sesame")
    assert scrub("it was:open sesame.") == "it was:***."
    remember_secret("inner-part")
    remember_secret("outer-inner-part-end")
    assert scrub("x outer-inner-part-end y inner-part") == "x *** y ***"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://bucket/archive", "s3://bucket/archive"),
        ("sftp://user:pw@host/archive?key=x", "sftp://***@host/archive"),
        ("sftp://user:p@w@host:22/archive", "sftp://***@host:22/archive"),
        ("user:pw@host/x", "***@host/x"),
        ("file:///mnt/archive", "file:///mnt/archive"),
    ],
)
def test_an_address_is_shown_without_its_login(address: str, shown: str) -> None:
    assert without_login(address) == shown


@pytest.mark.parametrize("short", ["", "a", "key"])
def test_a_value_too_short_to_be_a_secret_does_not_blank_every_text(short: str) -> None:
    remember_secret(short)
    assert scrub("a monkey") == "a monkey"
