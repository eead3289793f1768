"""action.yml: a list of inputs and outputs and one line, everything else is Python; docs/action.md says the same."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from action.commands.verdict import TABLE_SECONDS
from action.container import STOP_SECONDS
from action.inputs import PREFIX, Inputs
from action.masks import SHORT
from action.settings import MIGRATION, SECRETS
from action.verdicts import OUT_OF_MEMORY, VERDICTS

from ...support.documents import CHECKOUT, document, sections, table

SOURCES = sorted((CHECKOUT / "action").rglob("*.py"))
ACTION: dict[str, Any] = yaml.safe_load((CHECKOUT / "action.yml").read_text(encoding="utf-8"))
(STEP,) = ACTION["runs"]["steps"]


def variable(name: str) -> str:
    return PREFIX + name.upper().replace("-", "_")


def test_it_has_what_the_marketplace_asks_for() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert ACTION["description"] and ACTION["author"]
    assert len(ACTION["name"].split()) > 2, "GitHub refuses the name of an action, a user or an organization"
    page = "https://github.com/marketplace/actions/" + ACTION["name"].lower().replace(" ", "-")
    assert page in document("docs/releasing.md")
    assert set(ACTION["branding"]) == {"icon", "color"}
    assert ACTION["branding"]["color"] in {"white", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"}


def test_every_input_and_output_has_a_description_and_every_input_has_a_default() -> None:
    for name, given in ACTION["inputs"].items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert len(given["description"]) > 20, name
        assert isinstance(given["default"], str), name
    for name, given in ACTION["outputs"].items():
        assert len(given["description"]) > 20, name
        assert given["value"] == f"${{{{ steps.maia.outputs.{name} }}}}"
    for name in ("queries", "queries-file"):
        assert "`#` starts a comment" in ACTION["inputs"][name]["description"]


class Watched(dict[str, str]):
    """An environment that remembers which variables were looked at."""

    def __init__(self, given: dict[str, str]) -> None:
        super().__init__(given)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)


def test_every_input_reaches_the_code_by_the_environment_alone_and_is_read(tmp_path: Path) -> None:
    assert STEP["env"] == {variable(name): f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]} | {
        "MAIA_ACTION_REF": "${{ github.action_ref }}",
        "MAIA_ACTION_REPOSITORY": "${{ github.action_repository }}",
        "MAIA_ACTION_IMAGE": STEP["env"]["MAIA_ACTION_IMAGE"],  # test_pin_release.py has its values
    }
    environ = Watched({variable("command"): "plan", "GITHUB_WORKSPACE": str(tmp_path)})
    Inputs.read(environ)
    read = {name for name in environ.read if name.startswith(PREFIX)}
    assert read == {variable(name) for name in ACTION["inputs"]} - {variable("source")}  # the line of `run` reads it
    defaults = {variable(name): given["default"] for name, given in ACTION["inputs"].items()}
    here = {"GITHUB_RUN_ID": "7"}
    assert Inputs.read(defaults | here) == Inputs.read(here), "the defaults are what an empty input means"


def test_every_output_is_given_by_the_code() -> None:
    nodes = [node for path in SOURCES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    assert set(ACTION["outputs"]) <= {node.value for node in nodes if isinstance(node, ast.Constant)}


def test_there_is_no_logic_and_no_foreign_action() -> None:
    assert set(STEP) == {"id", "shell", "env", "run"}
    assert "${{" not in STEP["run"]
    # a cancelled job signals the entry process of a step alone
    assert (
        STEP["run"].splitlines()[-1] == 'exec python3 -IB "${MAIA_INPUT_SOURCE:-$GITHUB_ACTION_PATH}/action/entry.py"'
    )


def test_only_the_standard_library_is_imported_and_nothing_sleeps() -> None:
    """And of Maia itself the modules that need nothing else."""
    of_maia = {
        "maia.runtime.exitcodes", "maia.runtime.exits", "maia.runtime.recording",
        "maia.runtime.run_context", "maia.runtime.shutdown", "maia.utf8", "maia.workflow.run_report",
    }  # fmt: skip
    for path in [*SOURCES, *(CHECKOUT / f"{name.replace('.', '/')}.py" for name in of_maia)]:
        source = path.read_text(encoding="utf-8")
        assert path not in SOURCES or "sleep(" not in source, path.name
        for node in ast.walk(ast.parse(source)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                assert top == "action" or name in of_maia or top in sys.stdlib_module_names, f"{path.name}: {name}"


PAGE = document("docs/action.md")


def test_the_page_has_the_verdicts_and_the_secrets_of_the_code() -> None:
    rows = list(table(PAGE, "code", "name", "when", "the step", "what to do"))
    assert rows == [(str(row.code), row.name, row.when, row.step, row.advice) for row in (*VERDICTS, OUT_OF_MEMORY)]
    (section,) = (s for s in sections(PAGE) if s.heading == "Secrets and settings")
    (sentence,) = re.findall(r"each by its name: (.*?)\n- ", section.text, re.DOTALL)
    assert set(re.findall(r"`([A-Z_]+)`", sentence)) == SECRETS | {MIGRATION}


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Secrets and settings", f"(under {SHORT} characters)"),
        ("Outputs", "password such as `42` may occur in the run's id, `run`, and the plan then fails with 78"),
        ("The verdict of a step", f"are available within {TABLE_SECONDS} s"),
        ("Image", "A shard with `VAULT_PROVIDER=local` fails with 78 before it starts"),
        ("", f"stops the container, which has {STOP_SECONDS} s"),
    ],
)
def test_the_page_says_what_surprises(heading: str, words: str) -> None:
    texts = [section.text for section in sections(PAGE) if section.heading == heading] if heading else [PAGE]
    assert words in " ".join("".join(texts).split())


def test_the_examples_of_the_page_are_yaml_with_inputs_that_are_there() -> None:
    blocks = [block for section in sections(PAGE) for block in section.blocks if block.language == "yaml"]
    jobs = [job for block in blocks for job in yaml.safe_load("\n".join(block.lines))["jobs"].values()]
    assert all(job["permissions"] == {} for job in jobs), "nothing in the examples needs the job's token"
    steps = [step for job in jobs for step in job["steps"]]
    assert not any(step.get("uses", "").startswith("actions/checkout") for step in steps), "no example has a file"
    own = [step for step in steps if step.get("uses", "").startswith("pleiades/maia@")]
    assert len(own) == 3
    for step in own:
        assert set(step["with"]) <= set(ACTION["inputs"])
        assert set(step["env"]) <= SECRETS | {MIGRATION}
        Inputs.read({variable(name): str(value) for name, value in step["with"].items() if "${{" not in str(value)})
