"""What a release is made of, or why it cannot be made: nothing is built or published before this has passed.

    release_facts.py [--notes FILE]    in a clone with its history, with the GITHUB_* of a tag's run

The tag, `maia.__version__` and a dated section of CHANGELOG.md have to name the same version, and the tag has to be on
the branch main. The outputs are tag, version, commit, image and created; FILE gets the section of the changelog.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TAG = re.compile(r"v((?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))")


class Refusal(Exception):
    """The release cannot be made; the message says why."""


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the git that is on PATH."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607


def changes(changelog: str, version: str) -> str:
    """The changelog's section of a version, without its heading."""
    heading = re.compile(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", re.MULTILINE)
    found = heading.search(changelog)
    if found is None:
        raise Refusal(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'")
    rest = changelog[found.end() :]
    end = re.search(r"^(## |\[[^\]]+\]: )", rest, re.MULTILINE)
    section = rest[: end.start()] if end else rest
    if not section.strip():
        raise Refusal(f"CHANGELOG.md says nothing about {version}")
    return section.strip() + "\n"


def facts(environment: Mapping[str, str], root: Path) -> tuple[dict[str, str], str]:
    """The outputs and the notes; raises Refusal."""
    if environment.get("ACT"):
        raise Refusal("releases are made on GitHub, not under act")
    tag = environment["GITHUB_REF_NAME"]
    match = TAG.fullmatch(tag)
    if environment.get("GITHUB_REF_TYPE") != "tag" or match is None:
        raise Refusal(f"'{tag}' is no tag vX.Y.Z")
    version = match[1]
    source = (root / "maia" / "__init__.py").read_text(encoding="utf-8")
    own = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if own is None or own[1] != version:
        raise Refusal(f"the tag is {tag}, and maia.__version__ is {own[1] if own else 'not there'}")
    notes = changes((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    commit = git("rev-parse", "HEAD").stdout.strip()
    if commit != git("rev-parse", f"{environment['GITHUB_SHA']}^{{commit}}").stdout.strip():
        raise Refusal(f"the clone is at {commit}, the run at {environment['GITHUB_SHA']}")
    if git("merge-base", "--is-ancestor", commit, "refs/remotes/origin/main").returncode != 0:
        raise Refusal(f"{tag} ({commit}) is not on the branch main")
    image = f"ghcr.io/{environment['GITHUB_REPOSITORY'].lower()}"
    outputs = {"tag": tag, "version": version, "commit": commit, "image": image}
    outputs["created"] = git("log", "-1", "--format=%cI").stdout.strip()
    return outputs, notes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--notes", type=Path, metavar="FILE")
    options = parser.parse_args()
    try:
        outputs, notes = facts(os.environ, Path.cwd())
    except Refusal as refusal:
        sys.stdout.write(f"::error title=No release::{refusal}\n")
        sys.exit(1)
    lines = "".join(f"{name}={value}\n" for name, value in outputs.items())
    sys.stdout.write(lines)
    if output := os.environ.get("GITHUB_OUTPUT"):
        with Path(output).open("a", encoding="utf-8") as file:
            file.write(lines)
    if options.notes is not None:
        options.notes.write_text(notes, encoding="utf-8")


if __name__ == "__main__":
    main()
