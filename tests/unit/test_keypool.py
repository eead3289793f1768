"""The pool of keys and how it is dealt out to the rings."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from atlas.config.keypool import RINGS, KeyPool, fingerprint
from atlas.errors import ConfigError


def dealt(count: int, tracking: int = 1, archeology: int = 1) -> tuple[list[str], list[str], list[str]]:
    pool = KeyPool.parse(
        json.dumps([f"k{n}" for n in range(count)]), tracking_size=tracking, archeology_size=archeology
    )
    hunting, track, dig = ([key.get_secret_value() for key in pool[ring]] for ring in RINGS)
    return hunting, track, dig


def test_an_object_names_the_rings() -> None:
    pool = KeyPool.parse('{"hunting": ["a", "b"], "tracking": ["c"]}')
    assert [key.get_secret_value() for key in pool["hunting"]] == ["a", "b"]
    assert [key.get_secret_value() for key in pool["tracking"]] == ["c"]
    assert pool["archeology"] == ()
    assert not pool.shared


@pytest.mark.parametrize("count", range(1, 12))
@pytest.mark.parametrize("tracking", range(4))
@pytest.mark.parametrize("archeology", range(4))
def test_a_list_of_any_length_is_dealt_whole_from_its_end_or_shared(count: int, tracking: int, archeology: int) -> None:
    hunting, track, dig = dealt(count, tracking, archeology)
    everything = [f"k{n}" for n in range(count)]
    if count > tracking + archeology:
        assert hunting + track + dig == everything
        assert (len(track), len(dig)) == (tracking, archeology)
    else:
        assert hunting == track == dig == everything


def test_the_last_keys_go_to_archeology_and_those_before_them_to_tracking() -> None:
    assert dealt(6, tracking=2, archeology=1) == (["k0", "k1", "k2"], ["k3", "k4"], ["k5"])


@pytest.mark.parametrize(("count", "shared"), [(1, True), (2, True), (3, False)])
def test_a_list_too_short_to_deal_is_shared_and_says_so(count: int, shared: bool) -> None:
    assert KeyPool.parse(json.dumps([f"k{n}" for n in range(count)])).shared is shared


@pytest.mark.parametrize("text", [None, "[]", "{}", '{"hunting": []}'])
def test_no_keys_are_empty_rings_and_no_error(text: str | None) -> None:
    pool = KeyPool.parse(text)
    assert [pool[ring] for ring in RINGS] == [(), (), ()]
    assert not pool.shared
    assert pool.all_keys() == ()


SECRET = "top-secret-key"


@pytest.mark.parametrize(
    "text",
    [
        f'["{SECRET}"',
        f"{SECRET}",
        f"'{SECRET}'",
        f'"{SECRET}"',
        f'{{"{SECRET}": ["a"]}}',
        f'{{"hunting": "{SECRET}"}}',
        f'{{"hunting": {{"{SECRET}": 1}}}}',
        f'{{"hunting": ["{SECRET}", 5]}}',
        f'{{"hunting": ["{SECRET}", ""]}}',
        f'["{SECRET}", " "]',
        f'["{SECRET}\\u0000"]',
        f'["{SECRET} and more"]',
        f'["{SECRET}ü"]',
        f'["{SECRET}", null]',
        f'{{"hunting": null, "tracking": ["{SECRET}"]}}',
        "5",
        "true",
        "[" * 5000,
    ],
)
def test_what_cannot_be_read_is_a_config_error_that_echoes_nothing(text: str) -> None:
    with pytest.raises(ConfigError, match="YOUTUBE_API_KEY_POOL_JSON") as caught:
        KeyPool.parse(text)
    assert SECRET not in str(caught.value)
    assert "[" * 10 not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_unknown_rings_are_refused_with_the_names_that_exist() -> None:
    with pytest.raises(ConfigError, match="hunting, tracking, archeology"):
        KeyPool.parse('{"huntin": ["a"]}')
    with pytest.raises(ConfigError, match="hunting, tracking, archeology"):
        _ = KeyPool.parse("[]")["huntin"]


def test_a_key_stands_once_in_a_ring_in_its_first_place_without_spaces_around() -> None:
    pool = KeyPool.parse('{"hunting": [" b", "a", "b ", "a"]}')
    assert [key.get_secret_value() for key in pool["hunting"]] == ["b", "a"]


def test_a_key_in_two_rings_is_one_key_of_the_pool() -> None:
    assert len(KeyPool.parse('{"hunting": ["a", "b"], "tracking": ["b"]}').all_keys()) == 2


def test_the_version_changes_with_the_keys_and_not_with_their_order_or_rings() -> None:
    version = KeyPool.parse('{"hunting": ["a", "b"]}').version()
    assert KeyPool.parse('{"hunting": ["b"], "tracking": ["a"]}').version() == version
    assert KeyPool.parse('["b", "a"]').version() == version
    assert KeyPool.parse('{"hunting": ["a"]}').version() != version
    assert KeyPool.parse('{"hunting": ["a", "c"]}').version() != version


def test_a_fingerprint_is_short_the_same_for_both_forms_and_no_part_of_the_key() -> None:
    assert fingerprint("secret") == fingerprint(SecretStr("secret"))
    assert len(fingerprint("secret")) == 12
    assert fingerprint("secret") != fingerprint("secret2")
    assert int(fingerprint("secret"), 16) >= 0
