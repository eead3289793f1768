"""action.yml: a list of inputs and outputs and one line, everything else is Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action.inputs import PREFIX, Inputs

from ...support.documents import CHECKOUT, document

SOURCES = sorted((CHECKOUT / "action").rglob("*.py"))


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "action.yml").read_text(encoding="utf-8"))
    return found


def only_step(action: dict[str, Any]) -> dict[str, Any]:
    (step,) = action["runs"]["steps"]
    found: dict[str, Any] = step
    return found


def variable(name: str) -> str:
    return PREFIX + name.upper().replace("-", "_")


def test_it_has_what_the_marketplace_asks_for(action: dict[str, Any]) -> None:
    assert action["runs"]["using"] == "composite"
    assert action["description"] and action["author"]
    assert len(action["name"].split()) > 2, "GitHub refuses the name of an action, a user or an organization"
    page = "https://github.com/marketplace/actions/" + action["name"].lower().replace(" ", "-")
    assert page in document("docs/releasing.md")
    assert set(action["branding"]) == {"icon", "color"}
    assert action["branding"]["color"] in {"white", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"}


def test_every_input_and_output_teaches_and_every_input_has_a_default(action: dict[str, Any]) -> None:
    for name, given in action["inputs"].items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert len(given["description"]) > 20, name
        assert isinstance(given["default"], str), name
    for name, given in action["outputs"].items():
        assert len(given["description"]) > 20, name
        assert given["value"] == f"${{{{ steps.maia.outputs.{name} }}}}"


def test_every_input_reaches_the_code_by_the_environment_alone(action: dict[str, Any]) -> None:
    step = only_step(action)
    given = {variable(name): f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    refs = {
        "MAIA_ACTION_REF": "${{ github.action_ref }}",
        "MAIA_ACTION_REPOSITORY": "${{ github.action_repository }}",
    }
    image = {"MAIA_ACTION_IMAGE": step["env"]["MAIA_ACTION_IMAGE"]}  # test_pin_release.py has its values
    assert step["env"] == given | refs | image


class Watched(dict[str, str]):
    """An environment that remembers which variables were looked at."""

    def __init__(self, given: dict[str, str]) -> None:
        super().__init__(given)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)


def test_every_input_is_read_and_none_that_is_not_there(action: dict[str, Any], tmp_path: Path) -> None:
    environ = Watched({variable("command"): "plan", "GITHUB_WORKSPACE": str(tmp_path)})
    Inputs.read(environ)
    read = {name for name in environ.read if name.startswith(PREFIX)}
    # the one line of `run` reads it
    assert read == {variable(name) for name in action["inputs"]} - {variable("source")}


def test_the_defaults_are_what_an_empty_input_means(action: dict[str, Any]) -> None:
    defaults = {variable(name): given["default"] for name, given in action["inputs"].items()}
    here = {"GITHUB_RUN_ID": "7"}
    assert Inputs.read(defaults | here) == Inputs.read(here)


def test_every_output_is_given_by_the_code(action: dict[str, Any]) -> None:
    words = {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(action["outputs"]) <= words


def test_there_is_no_logic_and_no_foreign_action(action: dict[str, Any]) -> None:
    step = only_step(action)
    assert set(step) == {"id", "shell", "env", "run"}
    assert "${{" not in step["run"]
    last = step["run"].splitlines()[-1]
    # a cancelled job signals the entry process of a step alone
    assert last == 'exec python3 -IB "${MAIA_INPUT_SOURCE:-$GITHUB_ACTION_PATH}/action/entry.py"'


def test_only_the_standard_library_is_imported() -> None:
    """And of Maia itself the modules that need nothing else."""
    import sys  # noqa: PLC0415

    of_maia = {
        "maia.runtime.exitcodes", "maia.runtime.exits", "maia.runtime.run_context", "maia.runtime.shutdown",
        "maia.utf8", "maia.workflow.run_report",
    }  # fmt: skip
    for path in [*SOURCES, *(SOURCES[0].parent.parent / f"{name.replace('.', '/')}.py" for name in of_maia)]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                ours = name.split(".")[0] == "action" or name in of_maia
                assert ours or name.split(".")[0] in sys.stdlib_module_names, f"{path.name}: {name}"


def test_nothing_waits_by_sleeping() -> None:
    for path in SOURCES:
        assert "sleep(" not in path.read_text(encoding="utf-8"), path.name
