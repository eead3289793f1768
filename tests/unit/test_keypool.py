"""The pool of keys and how it is dealt out to the rings."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from atlas.config.keypool import RINGS, KeyPool, fingerprint
from atlas.errors import ConfigError

SECRET = "top-secret-key"


def keys(text: str | None, **sizes: int) -> list[list[str]]:
    pool = KeyPool.parse(text, **sizes)
    return [[key.get_secret_value() for key in pool[ring]] for ring in RINGS]


@pytest.mark.parametrize(
    ("text", "rings"),
    [
        ('{"hunting": ["a", "b"], "tracking": ["c"]}', [["a", "b"], ["c"], []]),
        ('{"hunting": [" b", "a", "b ", "a"]}', [["b", "a"], [], []]),
        *((text, [[], [], []]) for text in (None, "[]", "{}", '{"hunting": []}')),
    ],
)
def test_an_object_names_the_rings_and_a_key_stands_once_in_each(text: str | None, rings: list[list[str]]) -> None:
    assert keys(text) == rings
    assert not KeyPool.parse(text).shared


def test_a_list_of_any_length_is_dealt_whole_from_its_end_or_shared() -> None:
    for count in range(1, 12):
        for tracking in range(4):
            for archeology in range(4):
                everything = [f"k{n}" for n in range(count)]
                sizes = {"tracking_size": tracking, "archeology_size": archeology}
                hunting, track, dig = keys(json.dumps(everything), **sizes)
                shared = count <= tracking + archeology
                assert KeyPool.parse(json.dumps(everything), **sizes).shared == shared
                if shared:
                    assert hunting == track == dig == everything
                else:
                    assert hunting + track + dig == everything
                    assert (len(track), len(dig)) == (tracking, archeology)


@pytest.mark.parametrize(
    "text",
    [
        f'["{SECRET}"', f"{SECRET}", f"'{SECRET}'", f'"{SECRET}"', f'{{"{SECRET}": ["a"]}}',
        f'{{"hunting": "{SECRET}"}}', f'{{"hunting": {{"{SECRET}": 1}}}}', f'{{"hunting": ["{SECRET}", 5]}}',
        f'{{"hunting": ["{SECRET}", ""]}}', f'["{SECRET}", " "]', f'["{SECRET}\\u0000"]', f'["{SECRET} and more"]',
        f'["{SECRET}ü"]', f'["{SECRET}", null]',
        f'{{"hunting": null, "tracking": ["{SECRET}"]}}', "5", "true", "[" * 5000,
    ],
)  # fmt: skip
def test_a_malformed_pool_is_a_config_error_that_echoes_nothing(text: str) -> None:
    with pytest.raises(ConfigError, match="YOUTUBE_API_KEY_POOL_JSON") as caught:
        KeyPool.parse(text)
    assert SECRET not in str(caught.value)
    assert "[" * 10 not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_unknown_rings_are_refused_with_the_names_that_exist() -> None:
    for use in (lambda: KeyPool.parse('{"huntin": ["a"]}'), lambda: KeyPool.parse("[]")["huntin"]):
        with pytest.raises(ConfigError, match="hunting, tracking, archeology"):
            use()


def test_the_version_changes_with_the_keys_and_not_with_their_order_or_rings() -> None:
    texts = ['{"hunting": ["a", "b"]}', '{"hunting": ["b"], "tracking": ["a", "b"]}', '["b", "a"]']
    assert len({KeyPool.parse(text).version() for text in texts}) == 1
    assert {len(KeyPool.parse(text).all_keys()) for text in texts} == {2}, "a key in two rings is one key"
    others = ['{"hunting": ["a"]}', '{"hunting": ["a", "c"]}']
    assert len({KeyPool.parse(text).version() for text in (texts[0], *others)}) == 3


def test_a_fingerprint_is_short_the_same_for_both_forms_and_no_part_of_the_key() -> None:
    assert fingerprint("secret") == fingerprint(SecretStr("secret")) != fingerprint("secret2")
    assert len(fingerprint("secret")) == 12
    assert int(fingerprint("secret"), 16) >= 0
