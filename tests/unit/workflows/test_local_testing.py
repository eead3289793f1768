"""docs/local-testing-with-act.md and its example files: what the end-to-end tests run, and what the workflows take."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from atlas.config import Settings

from ...support.act import COMMANDS, EXPORT, FOREIGN, read_values
from ...support.documents import CHECKOUT, document, sections
from ...support.workflow_reading import AGENTS, CALLERS, MAIA, text, workflow

DOCUMENT = "docs/local-testing-with-act.md"
TESTED = re.compile(r"(act |rm |git ls-files )")


def example(name: str) -> Path:
    document(DOCUMENT)
    return CHECKOUT / name


def values(name: str) -> dict[str, str]:
    return read_values(example(name))


def test_its_commands_are_those_of_the_end_to_end_tests() -> None:
    shown = [line for section in sections(document(DOCUMENT)) for block in section.blocks for line in block.lines]
    assert [line for line in shown if TESTED.match(line)] == [*EXPORT, *COMMANDS]
    options = example(".actrc").read_text(encoding="utf-8").split("\n")
    assert FOREIGN.endswith(" ".join(options).strip().replace("=.act/", "=../maia/.act/"))


def test_it_names_the_version_of_act_that_is_tested() -> None:
    (named,) = set(re.findall(r"nektos/act@v[\d.]+", document(DOCUMENT)))
    assert named in (CHECKOUT / "tests/support/act.py").read_text(encoding="utf-8")
    assert named in (CHECKOUT / ".github/scripts/go-tools.sh").read_text(encoding="utf-8")


def test_the_example_secrets_are_secrets_of_the_workflows_and_stay_out_of_git() -> None:
    ignored = example(".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".act/", ".secrets", ".vars"} <= set(ignored)
    assert set(values(".secrets.example")) <= set(workflow(MAIA)["on"]["workflow_call"]["secrets"])
    assert {"DATABASE_URL", "YOUTUBE_API_KEY_POOL_JSON"} == set(values(".secrets.example"))
    json.loads(values(".secrets.example")["YOUTUBE_API_KEY_POOL_JSON"])


def test_the_example_variables_are_variables_of_the_workflows() -> None:
    used = {name for caller in CALLERS for name in re.findall(r"\bvars\.(\w+)", text(caller))}
    assert set(values(".vars.example")) <= used
    settings = dict(line.split("=", 1) for line in values(".vars.example")["MAIA_SETTINGS"].splitlines())
    assert {name.lower() for name in settings} <= set(Settings.model_fields)


@pytest.mark.parametrize("agent", [*AGENTS, "janitor"])
def test_the_example_events_are_what_the_form_sends(agent: str) -> None:
    event = json.loads(example(f".github/act/{agent}.json").read_text(encoding="utf-8"))
    assert set(event) == {"inputs"}
    assert set(event["inputs"]) <= set(workflow(f"{agent}.yml")["on"]["workflow_dispatch"]["inputs"])
    assert all(isinstance(value, str) for value in event["inputs"].values())
