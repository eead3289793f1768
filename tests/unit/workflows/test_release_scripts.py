"""The scripts of release-image.yml and release.yml: what is published in which order, and what keeps it back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ...support.workflow_files import SCRIPTS, Programs, load, needs_checkout

pytestmark = needs_checkout

RELEASE = SCRIPTS.parent / "workflows" / "release.yml"
IMAGE = SCRIPTS.parent / "workflows" / "release-image.yml"

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
COMMIT = "c" * 40
SOURCE = "e" * 40
NAME = "ghcr.io/pleiades/maia"
ENVIRONMENT = {
    "GITHUB_REPOSITORY": "pleiades/maia",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_WORKFLOW_REF": "pleiades/maia/.github/workflows/release.yml@refs/tags/v1.3.0",
    "IMAGE": NAME,
    "DIGEST": DIGEST,
    "TAG": "v1.3.0",
    "COMMIT": COMMIT,
    "SOURCE": SOURCE,
}


def run(programs: Programs, folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return programs.run(script, *arguments, cwd=folder, **ENVIRONMENT)


def written(programs: Programs) -> list[str]:
    """The calls that change something."""
    return [call for call in programs.calls if "--method" in call or "imagetools create" in call]


CREATE = "gh release create v1.3.0 --verify-tag --draft --title v1.3.0 --notes-file notes.md a.whl a.tar.gz"
PUBLISH = "gh release edit v1.3.0 --verify-tag --draft=false"


@pytest.mark.parametrize(
    ("view", "immutable", "code", "calls"),
    [
        pytest.param("exit 1", "true", 0, [CREATE, PUBLISH], id="a draft until it has its files"),
        pytest.param("echo true", "true", 0, ["gh release delete v1.3.0 --yes", CREATE, PUBLISH], id="an earlier try"),
        pytest.param("echo false", "true", 0, [], id="a published one is left alone"),
        pytest.param("exit 1", "false", 1, [CREATE, PUBLISH], id="one that could still be changed"),
    ],
)
def test_publish_release(
    programs: Programs, tmp_path: Path, view: str, immutable: str, code: int, calls: list[str]
) -> None:
    programs.add("gh", f'case "$*" in "release view"*) {view} ;; api*) echo {immutable} ;; esac')
    (tmp_path / "notes.md").write_text("- Something.\n")
    done = run(programs, tmp_path, "publish-release.sh", "v1.3.0", "notes.md", "a.whl", "a.tar.gz")
    assert done.returncode == code, done.stderr
    assert [call for call in programs.calls if call.split()[2] in {"create", "edit", "delete"}] == calls
    assert ("::error title=The release is not immutable::" in done.stdout) is bool(code)
    if CREATE in calls:
        action, image = f"Action: `uses: pleiades/maia@{COMMIT} # v1.3.0`", f"Image: `{NAME}:v1.3.0@{DIGEST}`"
        assert (tmp_path / "notes.md").read_text().splitlines() == ["- Something.", "", action, "", image]


@pytest.mark.parametrize("wrong", ["", SOURCE, "v1.3.0", COMMIT])
def test_tag_image_gives_the_image_of_the_commit_before_the_tags_of_the_release(
    programs: Programs, tmp_path: Path, wrong: str
) -> None:
    """A foreign workflow may name the action by its tag, or by the commit of the tag."""
    programs.add("docker", f'case "$* " in *:{wrong or "none"}" "*) echo {OTHER} ;; *inspect*) echo {DIGEST} ;; esac')
    done = run(programs, tmp_path, "tag-image.sh")
    assert done.returncode == bool(wrong), done.stderr
    retag = f"docker buildx imagetools create --tag {NAME}:v1.3.0 --tag {NAME}:{COMMIT} {NAME}@{DIGEST}"
    if wrong == SOURCE:
        assert f"{NAME}:{SOURCE} is {OTHER} and should be {DIGEST}" in done.stdout
        assert written(programs) == []
    elif not wrong:
        looks = [f"docker buildx imagetools inspect {NAME}:{tag} --format" for tag in (SOURCE, "v1.3.0", COMMIT)]
        assert [call.removesuffix(" {{.Manifest.Digest}}") for call in programs.calls] == [looks[0], retag, *looks[1:]]


RETAG = f"docker buildx imagetools create --tag {NAME}:v1 {NAME}@{DIGEST}"
REFS = "repos/pleiades/maia/git/refs"
PATCH = f"gh api --method PATCH {REFS}/tags/v1 --raw-field sha={COMMIT} --field force=true --silent"
POST = f"gh api --method POST {REFS} --raw-field ref=refs/tags/v1 --raw-field sha={COMMIT} --silent"


@pytest.mark.parametrize(
    ("releases", "wrong", "code", "calls", "said"),
    [
        pytest.param("v1.3.0\\nv1.2.9\\nv2.0.0\\nv1\\n", "", 0, [RETAG, PATCH], "", id="the image before the tag"),
        pytest.param("v1.3.0\\n", "exists", 0, [RETAG, POST], "", id="the first release of a major"),
        pytest.param("v1.3.0\\nv1.10.0\\nv1.2.0\\n", "", 0, [], "::notice title=v1 stays::", id="an older line"),
        pytest.param("", "", 0, [], "::notice title=v1 stays::", id="none is published"),
        pytest.param(
            "v1.3.0\\n", "image", 1, [], f"{NAME}:v1.3.0 is {OTHER} and should be {DIGEST}", id="another image"
        ),
        pytest.param("v1.3.0\\n", "now", 1, [RETAG, PATCH], "::error title=Wrong tag::v1 is at ", id="it did not move"),
    ],
)
def test_move_major(
    programs: Programs, tmp_path: Path, releases: str, wrong: str, code: int, calls: list[str], said: str
) -> None:
    programs.add(
        "gh",
        f"""case "$*" in
"release list"*) printf '{releases}' ;;
*"--jq .object.sha") echo {"d" * 40 if wrong == "now" else COMMIT} ;;
*/git/ref/tags/*) exit {int(wrong == "exists")} ;;
esac""",
    )
    programs.add("docker", f'case "$*" in *inspect*) echo {OTHER if wrong == "image" else DIGEST} ;; esac')
    done = run(programs, tmp_path, "move-major.sh")
    assert done.returncode == code, done.stderr
    assert written(programs) == calls
    assert said in done.stdout


@pytest.mark.parametrize(
    ("failing", "packages", "passes"),
    [("none", "7", True), ("cosign verify", "7", False), ("gh attestation", "7", False), ("none", "0", False)],
)
def test_what_is_signed_is_verified_at_once(
    programs: Programs, tmp_path: Path, failing: str, packages: str, passes: bool
) -> None:
    for name in ("cosign", "gh"):
        programs.add(name, f'case "{name} $*" in "{failing}"*) exit 1 ;; esac')
    programs.add("docker", f"echo {packages}")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "a.whl").touch()
    done = run(programs, tmp_path, "sign-image.sh")
    assert (done.returncode == 0) == passes
    if passes:
        subject = f"{NAME}@{DIGEST}"
        identity = "https://github.com/pleiades/maia/.github/workflows/release.yml@refs/tags/v1.3.0"
        origin = "--repo pleiades/maia --signer-workflow pleiades/maia/.github/workflows/"
        assert programs.calls[:4] == [
            f"gh attestation verify oci://{subject} {origin}release-image.yml",
            f"cosign sign --yes {subject}",
            "cosign verify --certificate-oidc-issuer https://token.actions.githubusercontent.com "
            f"--certificate-identity {identity} {subject}",
            f"gh attestation verify dist/a.whl {origin}release.yml",
        ]
        assert ["linux/amd64" in programs.calls[4], "linux/arm64" in programs.calls[5]] == [True, True]


JOBS: dict[str, dict[str, Any]] = load(RELEASE)["jobs"] if RELEASE.exists() else {}
IMAGE_JOBS: dict[str, dict[str, Any]] = load(IMAGE)["jobs"] if IMAGE.exists() else {}


def before(jobs: dict[str, dict[str, Any]], job: str) -> set[str]:
    """The jobs that have to succeed before this one starts."""
    needs = jobs[job].get("needs", [])
    names = {needs} if isinstance(needs, str) else set(needs)
    return names.union(*(before(jobs, name) for name in names))


def test_what_is_released_was_tested_and_signed_and_nothing_irrevocable_comes_before_the_tags_of_the_image() -> None:
    assert before(IMAGE_JOBS, "image") == {"facts", "ci"}
    assert before(IMAGE_JOBS, "attest") == {"facts", "ci", "image"}
    assert "facts" in before(JOBS, "packages")
    assert before(JOBS, "image") == {"facts", "packages", "sign"}
    for job in ("pypi", "release", "major"):
        assert {"packages", "image", "sign"} <= before(JOBS, job)
    assert before(JOBS, "major") == set(JOBS) - {"major"}


def test_each_job_may_do_what_it_has_to_and_what_publishes_is_of_the_projects_own_repository() -> None:
    writes = {
        (workflow, name): {scope for scope, level in job["permissions"].items() if level == "write"}
        for workflow, jobs in (("image", IMAGE_JOBS), ("release", JOBS))
        for name, job in jobs.items()
    }
    assert writes == {
        ("image", "facts"): set(),
        ("image", "ci"): {"pull-requests"},  # handed on to its job `comment`; it publishes nothing
        ("image", "image"): {"packages"},
        ("image", "attest"): {"packages", "attestations", "id-token"},
        ("release", "facts"): set(),
        ("release", "packages"): set(),
        ("release", "sign"): {"packages", "attestations", "id-token"},
        ("release", "image"): {"packages"},
        ("release", "pypi"): {"id-token"},
        ("release", "release"): {"contents"},
        ("release", "major"): {"contents", "packages"},
    }
    for (workflow, name), scopes in writes.items():
        job = (IMAGE_JOBS if workflow == "image" else JOBS)[name]
        publishes = bool(scopes) and name != "ci"
        assert ("environment" in job) == publishes, name
        if publishes or name == "facts":
            assert job["if"] == "github.repository == 'pleiades/maia'"


def test_the_copies_that_name_the_release_are_files_of_it() -> None:
    lines = [step["run"] for step in JOBS["release"]["steps"] if "run" in step]
    assert 'python3 .github/scripts/pin_release.py callers "$TAG" callers' in lines
    assert lines[-1].endswith(" callers/*")
