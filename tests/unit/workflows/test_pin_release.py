"""pin_release.py: the commit of a release, which names action and image, and the copies that name that commit."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from ...support.documents import document, sections
from ...support.release_clones import DIGEST, OTHER, TAG, VERSION, commit, copy_clone, git, shell
from ...support.workflow_files import Programs, needs_checkout
from ...support.workflow_reading import CALLERS, JANITOR, REPORT, WATCH

pytestmark = needs_checkout

SCRIPT = ".github/scripts/pin_release.py"
WORKFLOW = ".github/workflows/maia.yml"
LOCK = ".github/workflows/actions.lock"
IMAGE = f"ghcr.io/pleiades/maia@{DIGEST}"
NUMBERS = ("--owner-id", "41", "--repository-id", "42")


@pytest.fixture
def clone(tmp_path: Path, template: Path) -> Path:
    return copy_clone(template, tmp_path)


@pytest.fixture(scope="module")
def release(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a clone in which a release was made, to be read or copied."""
    folder = tmp_path_factory.mktemp("made")
    made(copy_clone(template, folder))
    return folder


@pytest.fixture(scope="module")
def module(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("pin_release")


@pytest.fixture
def pins(module: ModuleType, clone: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, at work in the clone."""
    monkeypatch.chdir(clone)
    return module


def run(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", SCRIPT, *arguments]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=60, check=False)


def pin(clone: Path, tag: str = TAG, digest: str = DIGEST) -> subprocess.CompletedProcess[str]:
    return run(clone, "commit", tag, digest, *NUMBERS)


def commits(clone: Path) -> tuple[str, str]:
    """The commit of the release and the commit of the image."""
    return git(clone, "rev-parse", f"{TAG}^{{commit}}"), git(clone, "rev-parse", "main")


def made(clone: Path) -> tuple[str, str]:
    done = pin(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    return commits(clone)


def shown(clone: Path, at: str, path: str) -> str:
    return git(clone, "show", f"{at}:{path}")


def changed_lines(before: str, after: str) -> tuple[set[str], set[str]]:
    """The lines that went and those that came."""
    old, new = Counter(before.splitlines()), Counter(after.splitlines())
    removed, added = ({line.strip().removeprefix("- ") for line in lines} for lines in (old - new, new - old))
    return removed, added


def test_the_commit_of_a_release_is_that_of_the_image_and_what_it_pins(release: Path) -> None:
    clone = release / "clone"
    new, source = commits(clone)
    assert git(clone, "rev-list", "--parents", "--max-count=1", new).split() == [new, source]
    assert git(clone, "diff", "--name-only", source, new).splitlines() == [LOCK, WORKFLOW, "action.yml"]
    assert git(clone, "rev-parse", f"release/{TAG}") == new
    assert git(clone, "cat-file", "-t", TAG) == "tag", "it is annotated"
    assert git(clone, "rev-parse", "HEAD") == source, "the clone stays where it was"
    assert git(clone, "status", "--porcelain") == ""

    before, after = (shown(clone, at, WORKFLOW) for at in (source, new))
    steps = [step for job in yaml.safe_load(after)["jobs"].values() for step in job["steps"]]
    own = [step for step in steps if step["uses"].startswith("pleiades/")]
    image = f"${{{{ inputs.image || '{IMAGE}' }}}}"
    assert {(step["uses"], step["with"]["image"]) for step in own} == {(f"pleiades/maia@{source}", image)}
    assert changed_lines(before, after)[1] == {f"uses: pleiades/maia@{source} # {TAG}", f"image: {image}"}

    before, after = (shown(clone, at, "action.yml") for at in (source, new))
    assert yaml.safe_load(after)["runs"]["steps"][0]["env"]["MAIA_ACTION_IMAGE"] == IMAGE
    assert changed_lines(before, after) == ({'MAIA_ACTION_IMAGE: ""'}, {f"MAIA_ACTION_IMAGE: {IMAGE}"})

    old, lock = (yaml.safe_load(shown(clone, at, LOCK)) for at in (source, new))
    assert lock["workflows"] == {**old["workflows"], WORKFLOW: sorted({step["uses"] for step in steps})}
    entry = {"ref": "main", "commit": f"sha1-{source}", "owner_id": 41, "repo_id": 42}
    assert lock["dependencies"] == {**old["dependencies"], f"pleiades/maia@{source}": entry}
    assert list(lock["dependencies"]) == sorted(lock["dependencies"])


def test_a_second_run_changes_nothing_and_a_tag_is_made_once(release: Path, tmp_path: Path) -> None:
    clone = copy_clone(release, tmp_path)
    first = commits(clone)
    assert made(clone) == first
    git(clone, "branch", "--delete", "--force", f"release/{TAG}")
    assert made(clone) == first
    assert git(clone, "rev-parse", f"release/{TAG}") == first[0]
    done = pin(clone, digest=OTHER)
    assert done.returncode == 1
    assert f"{TAG} is already {first[0]}, which names another image or commit" in done.stdout
    assert commits(clone) == first


def test_a_commit_that_is_signed_is_signed_here_too(clone: Path, programs: Programs) -> None:
    """`git commit-tree` does not read commit.gpgsign by itself."""
    programs.add("gpg", "cat >/dev/null; echo signed; printf '\\n[GNUPG:] SIG_CREATED \\n' >&2")
    git(clone, "config", "commit.gpgsign", "true")
    git(clone, "config", "gpg.program", str(programs.bin / "gpg"))
    assert "gpgsig signed" in git(clone, "cat-file", "commit", made(clone)[0])


@pytest.mark.parametrize(
    ("tag", "digest", "reason"),
    [
        *((tag, DIGEST, "is no tag vX.Y.Z") for tag in ("1.2.3", "v1.2", "v1.2.3-rc1", "v01.2.3", "release/v1.2.3")),
        *(
            (TAG, digest, "is no digest sha256:")
            for digest in ("", "a" * 64, DIGEST[:-1], DIGEST.upper(), f"sha512:{'a' * 64}", f"{DIGEST}'", f"x@{DIGEST}")
        ),
        ("", DIGEST, "is no tag vX.Y.Z"),
    ],
)
def test_what_is_no_tag_or_no_digest_is_refused(module: ModuleType, tag: str, digest: str, reason: str) -> None:
    with pytest.raises(module.Refusal, match=reason):
        module.current(tag, digest, 41, 42)


LAND = "git commit -qam change; git push -q"


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("touch new.py", "the working tree has changes"),
        ("git commit -qm x --allow-empty", "is not on the branch main"),
        (f"sed -i s/1.2.3/1.2.4/ maia/__init__.py; {LAND}", "the tag is v1.2.3, and maia.__version__ is 1.2.4"),
        (f"sed -i 's|uses: actions/checkout@|uses: someone/else@|' {WORKFLOW}; {LAND}",
         "actions.lock has no entry for someone/else@"),
        (f"sed -i 's|MAIA_ACTION_IMAGE: .*|MAIA_ACTION_IMAGE: x|' action.yml; {LAND}",
         'there is no line `MAIA_ACTION_IMAGE: ""`'),
        (f"git tag {TAG}", "has 0 parents and should have one"),
    ],
)  # fmt: skip
def test_a_commit_that_would_be_wrong_is_not_made(clone: Path, pins: ModuleType, before: str, reason: str) -> None:
    shell(clone, before)
    with pytest.raises(pins.Refusal, match=reason):
        pins.make(pins.current(TAG, DIGEST, 41, 42))
    assert git(clone, "branch", "--list", "release/*") == ""


def test_what_was_made_is_verified_and_its_lock_is_written_in_one_way_only(
    release: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = release / "clone"
    monkeypatch.chdir(clone)
    new, source = commits(clone)
    found = module.verified(TAG, new)
    assert found == module.Pins(TAG, source, DIGEST, 41, 42)
    lock, workflow = shown(clone, new, LOCK) + "\n", shown(clone, new, WORKFLOW)
    assert module.locked(lock, workflow, found) == lock
    assert module.locked(shown(clone, source, LOCK) + "\n", workflow, found) == lock


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
    release: Path, tmp_path: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch, path: str, old: str, new: str
) -> None:
    clone = copy_clone(release, tmp_path)
    monkeypatch.chdir(clone)
    git(clone, "switch", "--quiet", f"release/{TAG}")
    text = (clone / path).read_text(encoding="utf-8")
    assert old in text
    (clone / path).write_text(text.replace(old, new), encoding="utf-8")
    git(clone, "commit", "--quiet", "--all", "--amend", "--no-edit")
    with pytest.raises(module.Refusal, match=f"is not what pin_release.py makes of {commits(clone)[1]}"):
        module.verified(TAG, git(clone, "rev-parse", "HEAD"))


def test_the_copies_of_a_release_name_its_commit(release: Path, tmp_path: Path) -> None:
    """The commit that the tag leads to, so that Dependabot and others find the version of the commit."""
    clone = copy_clone(release, tmp_path)
    new, _ = commits(clone)
    git(clone, "switch", "--quiet", "--detach", new)
    done = run(clone, "callers", TAG, "out/callers")
    assert done.returncode == 0, done.stdout + done.stderr
    files = {path.name: path.read_text() for path in (clone / "out/callers").iterdir()}
    assert set(files) == {*CALLERS, JANITOR, REPORT, WATCH}
    for name, after in files.items():
        job, *_ = yaml.safe_load(after)["jobs"].values()  # of report.yml, the one that makes the page
        uses = job["uses"] if "uses" in job else job["steps"][0]["uses"]
        assert uses == f"pleiades/maia{'/.github/workflows/maia.yml' if name in CALLERS else ''}@{new}"
        removed, added = changed_lines(shown(clone, new, f".github/workflows/{name}"), after)
        assert added == {f"uses: {uses} # {TAG}"}
        assert all("@v1" in line or line.startswith("# zizmor: ignore[unpinned-uses]") for line in removed)
        assert "unpinned-uses" not in after


def test_a_release_that_is_not_as_it_should_be_has_no_copies(clone: Path, pins: ModuleType) -> None:
    done = run(clone, "callers", TAG, "callers")
    assert done.returncode == 1
    assert "::error title=No release::" in done.stdout
    assert not (clone / "callers").exists()
    with pytest.raises(pins.Refusal, match="pins nothing"):
        pins.verified(TAG, commit(clone, "new"))


def announced(programs: Programs, folder: Path, **values: str) -> str:
    """The commands that release-image.yml writes into its summary, by announce-image.sh."""
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
    shell(clone, block)
    pushed = git(tmp_path / "origin.git", "rev-parse", f"{TAG}^{{commit}}", f"release/{TAG}", f"{TAG}^")
    new = git(clone, "rev-parse", f"release/{TAG}")
    assert pushed.split() == [new, new, source]


def test_the_commands_of_the_document_are_those_of_the_summary(programs: Programs, tmp_path: Path) -> None:
    (section,) = (s for s in sections(document("docs/releasing.md")) if s.heading == "Making one")
    (block,) = section.blocks
    lines = "\n".join([*block.lines, ""])
    values = {
        "TAG": r"commit (\S+)", "COMMIT": r"--detach (\S+)", "DIGEST": r"sha256:\S+",
        "GITHUB_REPOSITORY_OWNER_ID": r"--owner-id (\S+)", "GITHUB_REPOSITORY_ID": r"--repository-id (\S+)",
    }  # fmt: skip
    found = {name: re.findall(pattern, lines)[0] for name, pattern in values.items()}
    assert announced(programs, tmp_path, **found) == lines
