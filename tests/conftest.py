"""What every test starts from: no settings of this machine, and no way to what is outside."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas import redaction
from atlas.config import Settings, settings

from .support import database_fixtures, examples, purposes, secrets_plugin

CHECKOUT = Path(__file__).resolve().parent.parent
_OURS = {name.upper() for name in Settings.model_fields} | {"HF_ENDPOINT", "HF_HOME", "PREFECT_PROFILE"}
# tests run from anywhere: the checkout, or beside an installed wheel
os.environ.setdefault("DO_NOT_TRACK", "1")
examples.register_profile()  # before --hypothesis-profile is read


def heed_signals() -> None:
    """Give this process, and so its children, the signals that it was started to ignore.

    A script ignores SIGINT and SIGQUIT for what it runs in the background, and `nohup` SIGHUP. An ignored signal is
    inherited by children; any other state is not.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


heed_signals()


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting leaks in from the environment or a .env, and none leaks out of a test.

    Nor does a secret: a generated password may be a word that later texts hold, and would be hidden in them. Nor does
    the log of a command that ran in this process: its stream is closed.
    """
    for name in _OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "no-users-data"))
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    monkeypatch.setattr(redaction, "_known", set(redaction._known))
    settings.reload()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    settings.reload()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The shared data, beside the checkout or where MAIA_SHARED says."""
    folder = Path(os.environ.get("MAIA_SHARED") or CHECKOUT.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"the shared data is not there ({folder}); set MAIA_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def shared_cases(shared_data: Path) -> Path:
    """The faults that were found in use, as inputs."""
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"the shared cases are not there ({folder})")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """Add the search for secrets, the markers of what a test is for, and the database fixtures."""
    for plugin in (secrets_plugin, purposes, database_fixtures):
        config.pluginmanager.register(plugin)
