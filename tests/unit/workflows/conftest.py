"""What the tests of the workflows' scripts share."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ...support.release_clones import make_clone
from ...support.workflow_files import SCRIPTS, Programs


@pytest.fixture(scope="session")
def script() -> Iterator[Callable[[str], ModuleType]]:
    """Gives a Python script as a module; scripts import each other, as they do when they run."""
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module
    sys.path.remove(str(SCRIPTS))


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a clone from which a release can be made, to be copied."""
    folder = tmp_path_factory.mktemp("release")
    make_clone(folder)
    return folder
