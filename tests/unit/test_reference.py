"""The reference tables of the documents are those of the code, and the tool that writes them notices a difference."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from ..support.documents import CHECKOUT

SCRIPT = CHECKOUT / "tools" / "reference.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="tools/ is part of the checkout, not of the wheel")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tools_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_tables_are_those_of_the_code(reference: ModuleType) -> None:
    assert reference.main(["--check"]) == 0


@pytest.mark.parametrize("kind", ["exit-codes", "events", "settings HUNTER_", "inputs action.yml", "commands atlas"])
def test_a_table_that_differs_is_written_again(reference: ModuleType, kind: str) -> None:
    text = f"before\n<!-- reference: {kind} -->\n| old |\n<!-- end of reference -->\nafter\n"
    new = reference.rewritten(text)
    assert "| old |" not in new
    assert new.startswith("before\n<!-- reference: ")
    assert new.endswith("<!-- end of reference -->\nafter\n")
    assert reference.rewritten(new) == new


def test_a_setting_without_a_table_is_named(reference: ModuleType) -> None:
    assert "HUNTER_REGION" in reference.undocumented(["<!-- reference: settings VAULT_ -->\n<!-- end of reference -->"])
