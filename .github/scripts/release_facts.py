"""What a release is made of, or why it cannot be made: nothing is built or published before this has passed.

    release_facts.py [--notes FILE]    in a clone with its history, with the GITHUB_* of the run

On the branch main, it is about the image of a release to come: `maia.__version__` and a dated section of CHANGELOG.md
have to name the same version, which has no tag yet. On a tag, it is about the release: its commit has to be what
pin_release.py makes of a commit on main, and on the branch release/TAG too. The outputs are tag, version, commit,
image and created; on a tag also source, the commit of the image, and digest. FILE gets the section of the changelog.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from pin_release import IMAGE, TAG, Refusal, git, resolved, verified


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
    source = (root / "maia" / "__init__.py").read_text(encoding="utf-8")
    own = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    version = own[1] if own else "not there"
    ref, commit = environment["GITHUB_REF_NAME"], resolved("HEAD")
    if commit is None or commit != resolved(environment["GITHUB_SHA"]):
        raise Refusal(f"the clone is at {commit}, the run at {environment['GITHUB_SHA']}")
    outputs = {"tag": f"v{version}", "version": version, "commit": commit, "image": IMAGE}
    if environment.get("GITHUB_REF_TYPE") == "tag":
        outputs |= _of_tag(ref, version, commit)
    elif ref != "main":
        raise Refusal(f"the image of a release is built from the branch main, and this is '{ref}'")
    elif resolved(f"refs/tags/v{version}"):
        raise Refusal(f"v{version} is already a tag: raise maia.__version__")
    notes = changes((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    built = outputs.get("source", commit)
    if not git("branch", "--remotes", "--list", "origin/main", "--contains", built).strip():
        raise Refusal(f"{built} is not on the branch main")
    outputs["created"] = git("log", "-1", "--format=%cI", built).strip()
    return outputs, notes


def _of_tag(tag: str, version: str, commit: str) -> dict[str, str]:
    """The commit and the digest of the release's image."""
    match = TAG.fullmatch(tag)
    if match is None:
        raise Refusal(f"'{tag}' is no tag vX.Y.Z")
    if match[1] != version:
        raise Refusal(f"the tag is {tag}, and maia.__version__ is {version}")
    if resolved(f"refs/remotes/origin/release/{tag}") != commit:
        raise Refusal(f"{commit} is not the branch release/{tag}: push both")
    pins = verified(tag, commit)
    return {"source": pins.commit, "digest": pins.digest}


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
