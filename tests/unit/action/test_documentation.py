"""docs/action.md says what action.yml and the code do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action.commands.verdict import TABLE_SECONDS
from action.container import STOP_SECONDS
from action.inputs import Inputs
from action.masks import SHORT
from action.settings import MIGRATION, SECRETS
from action.verdicts import OUT_OF_MEMORY, VERDICTS

from ...support.documents import CHECKOUT, document, sections, table


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "action.yml").read_text(encoding="utf-8"))
    return found


def test_the_verdicts_are_those_of_the_code() -> None:
    rows = list(table(document("docs/action.md"), "code", "name", "when", "the step", "what to do"))
    expected = [(str(row.code), row.name, row.when, row.step, row.advice) for row in (*VERDICTS, OUT_OF_MEMORY)]
    assert rows == expected


def test_the_secrets_are_those_of_the_code() -> None:
    (section,) = (s for s in sections(document("docs/action.md")) if s.heading == "Secrets and settings")
    (sentence,) = re.findall(r"each by its name: (.*?)\n- ", section.text, re.DOTALL)
    assert set(re.findall(r"`([A-Z_]+)`", sentence)) == SECRETS | {MIGRATION}
    assert f"(under {SHORT} characters)" in section.text


@pytest.mark.parametrize("name", ["queries", "queries-file"])
def test_both_inputs_of_queries_say_that_a_hash_begins_a_comment(action: dict[str, Any], name: str) -> None:
    assert "`#` begins a comment" in action["inputs"][name]["description"]


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Outputs", "password such as `42` may occur in the run's id, `run`, and the plan then fails with 78"),
        ("The verdict of a step", f"can be had within {TABLE_SECONDS} s"),
        ("Image", "A shard with `VAULT_PROVIDER=local` fails with 78 before it starts"),
    ],
)
def test_what_surprises_is_said(heading: str, words: str) -> None:
    (section,) = (s for s in sections(document("docs/action.md")) if s.heading == heading)
    assert words in " ".join(section.text.split())


def test_the_seconds_of_a_stop_are_those_of_the_code() -> None:
    assert f"stops the container, which has {STOP_SECONDS} s" in " ".join(document("docs/action.md").split())


def test_the_examples_are_yaml_with_inputs_that_are_there(action: dict[str, Any]) -> None:
    steps = 0
    for section in sections(document("docs/action.md")):
        for block in section.blocks:
            if block.language != "yaml":
                continue
            for job in yaml.safe_load("\n".join(block.lines))["jobs"].values():
                assert job["permissions"] == {}, "nothing in the examples needs the job's token"
                for step in job["steps"]:
                    assert not step.get("uses", "").startswith("actions/checkout"), "no example has a file"
                    if not step.get("uses", "").startswith("pleiades/maia@"):
                        continue
                    steps += 1
                    assert set(step["with"]) <= set(action["inputs"])
                    assert set(step["env"]) <= SECRETS | {MIGRATION}
                    given = {
                        f"MAIA_INPUT_{name.upper().replace('-', '_')}": str(value)
                        for name, value in step["with"].items()
                        if "${{" not in str(value)
                    }
                    Inputs.read(given)
    assert steps == 3
