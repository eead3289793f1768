"""Name the action by its commit and the image by its digest, for a release.

    pin_release.py commit TAG DIGEST --owner-id N --repository-id N    in a clean clone, at the commit of the image
    pin_release.py callers TAG FOLDER                                  in a clone, at the commit of the release

`commit` makes one commit on top of the current one C, the branch release/TAG at it, and the annotated tag TAG. In that
commit, maia.yml uses the action by the full SHA of C and the image by DIGEST, action.yml names the image by DIGEST,
and actions.lock covers maia.yml; every other file is that of C. The working tree stays as it is. A second run with the
same arguments changes nothing.

`callers` writes the workflows that users copy. They name the commit of the release itself, which no file in that
commit can do; docs/releasing.md says more.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ACTION = "pleiades/maia"
IMAGE = f"ghcr.io/{ACTION}"
FOLDER = ".github/workflows"
WORKFLOW = f"{FOLDER}/maia.yml"
LOCK = f"{FOLDER}/actions.lock"
METADATA = "action.yml"
CALLERS = ("hunter.yml", "tracker.yml", "janitor.yml", "report.yml", "watch.yml")

TAG = re.compile(r"v((?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# a comment of zizmor right above excuses the reference that is replaced, and goes with it
_USES = re.compile(
    rf"(?:^ *# zizmor: ignore\[unpinned-uses\].*\n)?^( *(?:- )?uses: {ACTION}(?:/{re.escape(WORKFLOW)})?)@\S+.*$",
    re.MULTILINE,
)
_IMAGE = re.compile(r"^( *image: \$\{\{ inputs\.image)( \}\})$", re.MULTILINE)
_OWN_IMAGE = re.compile(r'^( *MAIA_ACTION_IMAGE:) ""$', re.MULTILINE)
_FOREIGN = re.compile(r"^ *(?:- )?uses: ([\w.-]+/[\w.-]+)(?:/\S*)?@(\S+)", re.MULTILINE)
_ENTRY = re.compile(r"^    '([^']+)':\n((?: {8}.*\n)*)", re.MULTILINE)


class Refusal(Exception):
    """The commit cannot be made, or is not what this script makes; the message says why."""


@dataclass(frozen=True)
class Pins:
    """What a release names."""

    tag: str
    commit: str  # full SHA of the commit that the image was built from
    digest: str  # of the image
    owner_id: int  # GitHub's number, as is repository_id, which actions.lock holds
    repository_id: int

    @property
    def image(self) -> str:
        return f"{IMAGE}@{self.digest}"


def used_by_commit(text: str, commit: str, tag: str) -> str:
    """Return the workflow with every reference to the action, or to maia.yml, by `commit`."""
    return replaced(_USES, rf"\1@{commit} # {tag}", text, f"uses: {ACTION}@…")


def replaced(pattern: re.Pattern[str], by: str, text: str, what: str) -> str:
    text, found = pattern.subn(by, text)
    if not found:
        raise Refusal(f"there is no line `{what}` to replace")
    return text


def locked(lock: str, workflow: str, pins: Pins) -> str:
    """Return actions.lock with the entry of maia.yml and that of the action. `workflow` is maia.yml with its pins."""
    head, _, rest = lock.partition("workflows:\n")
    listed, _, known = rest.partition("dependencies:\n")
    workflows, dependencies = dict(_ENTRY.findall(listed)), dict(_ENTRY.findall(known))
    dependencies = {key: entry for key, entry in dependencies.items() if not key.startswith(f"{ACTION}@")}
    dependencies[f"{ACTION}@{pins.commit}"] = (
        f"        ref: 'main'\n        commit: 'sha1-{pins.commit}'\n"
        f"        owner_id: {pins.owner_id}\n        repo_id: {pins.repository_id}\n"
    )
    used = sorted({f"{name.lower()}@{ref}" for name, ref in _FOREIGN.findall(workflow)})
    if missing := [key for key in used if key not in dependencies]:
        raise Refusal(f"{LOCK} has no entry for {', '.join(missing)}: run `gh actions-lock` on main first")
    workflows[WORKFLOW] = "".join(f"        - '{key}'\n" for key in used)
    return f"{head}workflows:\n{_written(workflows)}dependencies:\n{_written(dependencies)}"


def _written(entries: Mapping[str, str]) -> str:
    return "".join(f"    '{key}':\n{entries[key]}" for key in sorted(entries))


def pinned_files(pins: Pins) -> dict[str, str]:
    """Return what the commit of the release changes: the path and the content of each file."""
    workflow = used_by_commit(content(pins.commit, WORKFLOW), pins.commit, pins.tag)
    workflow = replaced(_IMAGE, rf"\1 || '{pins.image}'\2", workflow, "image: ${{ inputs.image }}")
    metadata = content(pins.commit, METADATA)
    return {
        WORKFLOW: workflow,
        METADATA: replaced(_OWN_IMAGE, rf"\1 {pins.image}", metadata, 'MAIA_ACTION_IMAGE: ""'),
        LOCK: locked(content(pins.commit, LOCK), workflow, pins),
    }


def verified(tag: str, commit: str) -> Pins:
    """Return what the commit of a release names. Raises Refusal where it is not what this script makes."""
    parents = git("rev-list", "--parents", "--max-count=1", commit).split()[1:]
    if len(parents) != 1:
        raise Refusal(f"{commit} has {len(parents)} parents and should have one, which the image was built from")
    digest = re.search(rf"{re.escape(IMAGE)}@({DIGEST.pattern})", content(commit, WORKFLOW))
    numbers = re.search(rf"'{ACTION}@\w+':\n.*\n.*\n +owner_id: (\d+)\n +repo_id: (\d+)\n", content(commit, LOCK))
    if digest is None or numbers is None:
        raise Refusal(f"{commit} pins nothing: make the tag with .github/scripts/pin_release.py")
    pins = Pins(tag, parents[0], digest[1], int(numbers[1]), int(numbers[2]))
    changed = set(git("diff", "--name-only", pins.commit, commit).splitlines())
    files = pinned_files(pins)
    if changed != set(files) or any(content(commit, path) != text for path, text in files.items()):
        raise Refusal(f"{commit} is not what pin_release.py makes of {pins.commit}; it changes {sorted(changed)}")
    return pins


def callers(tag: str, commit: str) -> dict[str, str]:
    """Return the workflows that users copy, by their name, for the release at `commit`."""
    verified(tag, commit)
    return {name: used_by_commit(content(commit, f"{FOLDER}/{name}"), commit, tag) for name in CALLERS}


def git(*arguments: str, given: str | None = None, index: str = "") -> str:
    """Run git and return what it wrote. `given` is its input, `index` another index than the clone's."""
    environment = {**os.environ, **({"GIT_INDEX_FILE": index} if index else {})}
    command = ["git", *arguments]
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Refusal(f"git {arguments[0]}: {done.stderr.strip() or f'ended with {done.returncode}'}")
    return done.stdout


def content(commit: str, path: str) -> str:
    return git("show", f"{commit}:{path}")


def resolved(name: str) -> str | None:
    """The full SHA of a commit; None where the name means nothing."""
    try:
        return git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except Refusal:
        return None


def make(pins: Pins) -> str:
    """Make the commit, the branch and the tag where they are not there yet, and return the commit."""
    branch = f"refs/heads/release/{pins.tag}"
    commit = resolved(branch) or resolved(f"refs/tags/{pins.tag}")
    if commit is None:
        commit = _commit(pins)
    elif verified(pins.tag, commit) != pins:
        raise Refusal(f"{pins.tag} is already {commit}, which names another image or commit")
    if resolved(branch) is None:
        git("update-ref", branch, commit)
    tagged = resolved(f"refs/tags/{pins.tag}")
    if tagged is None:
        git("tag", "--annotate", "--message", pins.tag.removeprefix("v"), pins.tag, commit)
    elif tagged != commit:
        raise Refusal(f"the tag {pins.tag} is at {tagged}, the branch release/{pins.tag} at {commit}")
    return commit


def _commit(pins: Pins) -> str:
    files = pinned_files(pins)
    with tempfile.TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")
        git("read-tree", pins.commit, index=index)
        for path, text in files.items():
            blob = git("hash-object", "-w", "--stdin", given=text).strip()
            git("update-index", "--cacheinfo", f"100644,{blob},{path}", index=index)
        tree = git("write-tree", index=index).strip()
    # unlike `git commit`, commit-tree does not read commit.gpgsign
    sign = ["--gpg-sign"] if git("config", "--default=false", "--bool", "commit.gpgsign").strip() == "true" else []
    message = f"Pin the action and the image of {pins.tag}\n"
    return git("commit-tree", tree, "-p", pins.commit, *sign, given=message).strip()


def current(tag: str, digest: str, owner_id: int, repository_id: int) -> Pins:
    """Return what a release of the current commit names. Raises Refusal where there is none to be made of it."""
    match = TAG.fullmatch(tag)
    if match is None:
        raise Refusal(f"'{tag}' is no tag vX.Y.Z")
    if DIGEST.fullmatch(digest) is None:
        raise Refusal(f"'{digest}' is no digest sha256:…")
    if min(owner_id, repository_id) < 1:
        raise Refusal("the numbers of the owner and of the repository begin at 1")
    if git("status", "--porcelain"):
        raise Refusal("the working tree has changes")
    version = re.search(r'^__version__ = "([^"]+)"$', content("HEAD", "maia/__init__.py"), re.MULTILINE)
    if version is None or version[1] != match[1]:
        raise Refusal(f"the tag is {tag}, and maia.__version__ is {version[1] if version else 'not there'}")
    commit = git("rev-parse", "HEAD").strip()
    if not git("branch", "--remotes", "--list", "origin/main", "--contains", commit).strip():
        raise Refusal(f"{commit} is not on the branch main of origin")
    return Pins(tag, commit, digest, owner_id, repository_id)


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (("commit", ("tag", "digest")), ("callers", ("tag", "folder"))):
        command = commands.add_parser(name)
        for word in words:
            command.add_argument(word)
        for number in ("--owner-id", "--repository-id") if name == "commit" else ():
            command.add_argument(number, type=int, required=True)
    options = parser.parse_args(None if arguments is None else list(arguments))
    try:
        if options.command == "commit":
            commit = make(current(options.tag, options.digest, options.owner_id, options.repository_id))
            sys.stdout.write(f"{options.tag} is {commit}\n")
            return
        files = callers(options.tag, git("rev-parse", "HEAD").strip())
    except Refusal as refusal:
        sys.stdout.write(f"::error title=No release::{refusal}\n")
        sys.exit(1)
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
