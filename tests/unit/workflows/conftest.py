"""What the tests of the workflows' scripts share."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from .checkout import SCRIPTS, Programs


@pytest.fixture(scope="session")
def script() -> Callable[[str], ModuleType]:
    """Gives a Python script as a module."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)
