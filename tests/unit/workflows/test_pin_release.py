"""pin_release.py: the commit of a release, which names action and image, and the copies that name that commit."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from ...support.documents import document, sections
from ...support.release_clones import DIGEST, OTHER, TAG, VERSION, commit, copy_clone, git
from ...support.workflow_files import Programs, needs_checkout
from ...support.workflow_reading import CALLERS, JANITOR

pytestmark = needs_checkout

SCRIPT = ".github/scripts/pin_release.py"
WORKFLOW = ".github/workflows/maia.yml"
LOCK = ".github/workflows/actions.lock"
IMAGE = f"ghcr.io/pleiades/maia@{DIGEST}"
COPIES = (*CALLERS, JANITOR)
NUMBERS = ("--owner-id", "41", "--repository-id", "42")


@pytest.fixture
def clone(tmp_path: Path, template: Path) -> Path:
    return copy_clone(template, tmp_path)


@pytest.fixture
def pins(script: Callable[[str], ModuleType], clone: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, at work in the clone."""
    monkeypatch.chdir(clone)
    return script("pin_release")


def run(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", SCRIPT, *arguments]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=60, check=False)


def pin(clone: Path, tag: str = TAG, digest: str = DIGEST) -> subprocess.CompletedProcess[str]:
    return run(clone, "commit", tag, digest, *NUMBERS)


def made(clone: Path) -> tuple[str, str]:
    """Make the commit of a release; return it and the commit of the image."""
    done = pin(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    return git(clone, "rev-parse", f"{TAG}^{{commit}}"), git(clone, "rev-parse", "main")


def shown(clone: Path, at: str, path: str) -> str:
    return git(clone, "show", f"{at}:{path}")


def changed_lines(before: str, after: str) -> set[tuple[str, str]]:
    """Sign and text of each line that differs."""
    old, new = Counter(before.splitlines()), Counter(after.splitlines())
    return {("-", line.strip()) for line in old - new} | {("+", line.strip()) for line in new - old}


# ── commit ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_commit_of_a_release_is_that_of_the_image_and_what_it_pins(clone: Path) -> None:
    release, source = made(clone)
    assert git(clone, "rev-list", "--parents", "--max-count=1", release).split() == [release, source]
    assert git(clone, "diff", "--name-only", source, release).splitlines() == [LOCK, WORKFLOW, "action.yml"]
    assert git(clone, "rev-parse", f"release/{TAG}") == release
    assert git(clone, "cat-file", "-t", TAG) == "tag", "it is annotated"
    assert git(clone, "rev-parse", "HEAD") == source, "the clone stays where it was"
    assert git(clone, "status", "--porcelain") == ""


def test_maia_yml_uses_the_action_by_the_full_commit_before_and_the_image_by_its_digest(clone: Path) -> None:
    release, source = made(clone)
    before, after = (shown(clone, at, WORKFLOW) for at in (source, release))
    steps = [step for job in yaml.safe_load(after)["jobs"].values() for step in job["steps"]]
    own = [step for step in steps if step["uses"].startswith("pleiades/")]
    assert own
    for step in own:
        assert step["uses"] == f"pleiades/maia@{source}"
        assert step["with"]["image"] == f"${{{{ inputs.image || '{IMAGE}' }}}}"
    added = {line.removeprefix("- ") for sign, line in changed_lines(before, after) if sign == "+"}
    assert added == {f"uses: pleiades/maia@{source} # {TAG}", f"image: {own[0]['with']['image']}"}


def test_action_yml_names_the_image_by_its_digest(clone: Path) -> None:
    release, source = made(clone)
    before, after = (shown(clone, at, "action.yml") for at in (source, release))
    (step,) = yaml.safe_load(after)["runs"]["steps"]
    assert step["env"]["MAIA_ACTION_IMAGE"] == IMAGE
    assert changed_lines(before, after) == {("-", 'MAIA_ACTION_IMAGE: ""'), ("+", f"MAIA_ACTION_IMAGE: {IMAGE}")}


def test_actions_lock_covers_maia_yml(clone: Path) -> None:
    release, source = made(clone)
    before, after = (yaml.safe_load(shown(clone, at, LOCK)) for at in (source, release))
    workflow = yaml.safe_load(shown(clone, release, WORKFLOW))
    used = {step["uses"] for job in workflow["jobs"].values() for step in job["steps"]}
    assert after["workflows"] == {**before["workflows"], WORKFLOW: sorted(used)}
    key = f"pleiades/maia@{source}"
    own = {"ref": "main", "commit": f"sha1-{source}", "owner_id": 41, "repo_id": 42}
    assert after["dependencies"] == {**before["dependencies"], key: own}
    assert list(after["dependencies"]) == sorted(after["dependencies"])


def test_a_second_run_changes_nothing(clone: Path) -> None:
    first = made(clone)
    assert made(clone) == first
    git(clone, "branch", "--delete", "--force", f"release/{TAG}")
    assert made(clone) == first
    assert git(clone, "rev-parse", f"release/{TAG}") == first[0]


def test_a_commit_that_is_signed_is_signed_here_too(clone: Path, programs: Programs) -> None:
    """`git commit-tree` does not read commit.gpgsign by itself."""
    programs.add("gpg", "cat >/dev/null; echo signed; printf '\\n[GNUPG:] SIG_CREATED \\n' >&2")
    git(clone, "config", "commit.gpgsign", "true")
    git(clone, "config", "gpg.program", str(programs.bin / "gpg"))
    release, _ = made(clone)
    assert "gpgsig signed" in git(clone, "cat-file", "commit", release)


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3-rc1", "v01.2.3", "release/v1.2.3", "--force", ""])
def test_what_is_no_tag_is_refused(clone: Path, tag: str) -> None:
    done = pin(clone, tag=tag)
    assert done.returncode != 0
    assert git(clone, "tag") == ""


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "a" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "A" * 64,
        f"sha512:{'a' * 64}",
        f"{DIGEST}'",
        f"ghcr.io/x@{DIGEST}",
    ],
)
def test_what_is_no_digest_is_refused(clone: Path, digest: str) -> None:
    done = pin(clone, digest=digest)
    assert done.returncode == 1
    assert "is no digest sha256:" in done.stdout


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def dirty(clone: Path) -> None:
    (clone / "new.py").write_text("")


def beside_main(clone: Path) -> None:
    commit(clone, "beside main")


def other_version(clone: Path) -> None:
    edit(clone / "maia/__init__.py", VERSION, "1.2.4")
    land(clone)


def unlocked(clone: Path) -> None:
    edit(clone / WORKFLOW, "uses: actions/checkout@", "uses: someone/else@")
    land(clone)


def already_pinned(clone: Path) -> None:
    edit(clone / "action.yml", 'MAIA_ACTION_IMAGE: ""', "MAIA_ACTION_IMAGE: x")
    land(clone)


def tagged(clone: Path) -> None:
    git(clone, "tag", TAG)


def land(clone: Path) -> None:
    commit(clone, "change")
    git(clone, "push", "--quiet")


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (dirty, "the working tree has changes"),
        (beside_main, "is not on the branch main"),
        (other_version, "the tag is v1.2.3, and maia.__version__ is 1.2.4"),
        (unlocked, "actions.lock has no entry for someone/else@"),
        (already_pinned, 'there is no line `MAIA_ACTION_IMAGE: ""`'),
        (tagged, "has 0 parents and should have one"),
    ],
)
def test_a_commit_that_would_be_wrong_is_not_made(clone: Path, before: Callable[[Path], None], reason: str) -> None:
    before(clone)
    done = pin(clone)
    assert done.returncode == 1
    assert reason in done.stdout
    assert git(clone, "branch", "--list", "release/*") == ""


def test_a_tag_is_made_once(clone: Path) -> None:
    release, _ = made(clone)
    done = pin(clone, digest=OTHER)
    assert done.returncode == 1
    assert f"{TAG} is already {release}, which names another image or commit" in done.stdout
    assert git(clone, "rev-parse", f"{TAG}^{{commit}}") == release


# ── what a release is made of is verified ───────────────────────────────────────────────────────────────────────────


def test_what_was_made_is_verified(clone: Path, pins: ModuleType) -> None:
    release, source = made(clone)
    assert pins.verified(TAG, release) == pins.Pins(TAG, source, DIGEST, 41, 42)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("maia/__init__.py", VERSION, "9.9.9"),
        (".github/workflows/release.yml", "timeout-minutes: 5", "timeout-minutes: 6"),
        (WORKFLOW, f"# {TAG}", "# v9.9.9"),
        (WORKFLOW, DIGEST, OTHER),
        ("action.yml", DIGEST, OTHER),
        (LOCK, "actions/checkout", "actions/checkin"),
        (LOCK, "ref: 'main'", "ref: 'other'"),
    ],
)
def test_a_commit_that_changes_anything_else_is_refused(
    clone: Path, pins: ModuleType, path: str, old: str, new: str
) -> None:
    _, source = made(clone)
    git(clone, "switch", "--quiet", f"release/{TAG}")
    edit(clone / path, old, new)
    git(clone, "commit", "--quiet", "--all", "--amend", "--no-edit")
    with pytest.raises(pins.Refusal, match=f"is not what pin_release.py makes of {source}"):
        pins.verified(TAG, git(clone, "rev-parse", "HEAD"))


def test_a_commit_that_pins_nothing_is_refused(clone: Path, pins: ModuleType) -> None:
    (clone / "new.py").write_text("")
    with pytest.raises(pins.Refusal, match="pins nothing"):
        pins.verified(TAG, commit(clone, "new"))


# ── callers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", COPIES)
def test_the_copies_of_a_release_name_its_commit(clone: Path, name: str) -> None:
    """The commit that the tag leads to, so that Dependabot and others find the version of the commit."""
    release, _ = made(clone)
    git(clone, "switch", "--quiet", "--detach", release)
    done = run(clone, "callers", TAG, "out/callers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in (clone / "out/callers").iterdir()) == sorted(COPIES)
    before, after = shown(clone, release, f".github/workflows/{name}"), (clone / "out/callers" / name).read_text()
    (job,) = yaml.safe_load(after)["jobs"].values()
    uses = job["uses"] if "uses" in job else job["steps"][0]["uses"]
    path = "/.github/workflows/maia.yml" if name in CALLERS else ""
    assert uses == f"pleiades/maia{path}@{release}"
    added = {line.removeprefix("- ") for sign, line in changed_lines(before, after) if sign == "+"}
    assert added == {f"uses: {uses} # {TAG}"}
    removed = {line.removeprefix("- ") for sign, line in changed_lines(before, after) if sign == "-"}
    assert all("@v1" in line or line.startswith("# zizmor: ignore[unpinned-uses]") for line in removed)
    assert "unpinned-uses" not in after


def test_a_release_that_is_not_as_it_should_be_has_no_copies(clone: Path) -> None:
    done = run(clone, "callers", TAG, "callers")
    assert done.returncode == 1
    assert "::error title=No release::" in done.stdout
    assert not (clone / "callers").exists()


# ── announce-image.sh, and docs/releasing.md ────────────────────────────────────────────────────────────────────────


def announced(programs: Programs, folder: Path, **values: str) -> str:
    """The commands that release-image.yml writes into its summary."""
    programs.add("gh")
    summary = folder / "summary.md"
    given = {"IMAGE": "ghcr.io/pleiades/maia", "GITHUB_REPOSITORY": "pleiades/maia", **values}
    done = programs.run("announce-image.sh", cwd=folder, GITHUB_STEP_SUMMARY=str(summary), **given)
    assert done.returncode == 0, done.stderr
    assert programs.calls == [
        f"gh attestation verify oci://ghcr.io/pleiades/maia@{values['DIGEST']} --repo pleiades/maia "
        "--signer-workflow pleiades/maia/.github/workflows/release-image.yml"
    ]
    (block,) = re.findall(r"^```bash\n(.*?)^```$", summary.read_text(), re.DOTALL | re.MULTILINE)
    return str(block)


def test_the_commands_of_the_summary_make_and_push_the_release(clone: Path, programs: Programs, tmp_path: Path) -> None:
    source = git(clone, "rev-parse", "main")
    numbers = {"GITHUB_REPOSITORY_OWNER_ID": "41", "GITHUB_REPOSITORY_ID": "42"}
    block = announced(programs, tmp_path, TAG=TAG, COMMIT=source, DIGEST=DIGEST, **numbers)
    subprocess.run(["bash", "-euc", block], cwd=clone, check=True, capture_output=True, timeout=60)
    pushed = git(tmp_path / "origin.git", "rev-parse", f"{TAG}^{{commit}}", f"release/{TAG}", f"{TAG}^")
    release = git(clone, "rev-parse", f"release/{TAG}")
    assert pushed.split() == [release, release, source]


def test_the_commands_of_the_document_are_those_of_the_summary(programs: Programs, tmp_path: Path) -> None:
    (section,) = (s for s in sections(document("docs/releasing.md")) if s.heading == "Making one")
    (block,) = section.blocks
    shown = "\n".join([*block.lines, ""])
    values = {
        "TAG": re.findall(r"commit (\S+)", shown)[0],
        "COMMIT": re.findall(r"--detach (\S+)", shown)[0],
        "DIGEST": re.findall(r"sha256:\S+", shown)[0],
        "GITHUB_REPOSITORY_OWNER_ID": re.findall(r"--owner-id (\S+)", shown)[0],
        "GITHUB_REPOSITORY_ID": re.findall(r"--repository-id (\S+)", shown)[0],
    }
    assert announced(programs, tmp_path, **values) == shown


def test_the_lock_of_a_release_is_written_in_one_way_only(clone: Path, pins: ModuleType) -> None:
    """Reading and writing it changes nothing but what is added."""
    release, source = made(clone)
    lock, workflow = shown(clone, release, LOCK) + "\n", shown(clone, release, WORKFLOW)
    found: Any = pins.verified(TAG, release)
    assert pins.locked(lock, workflow, found) == lock
    assert pins.locked(shown(clone, source, LOCK) + "\n", workflow, found) == lock
