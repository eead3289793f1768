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
ENVIRONMENT = {
    "GITHUB_REPOSITORY": "pleiades/maia",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_WORKFLOW_REF": "pleiades/maia/.github/workflows/release.yml@refs/tags/v1.3.0",
    "IMAGE": "ghcr.io/pleiades/maia",
    "DIGEST": DIGEST,
    "TAG": "v1.3.0",
    "COMMIT": COMMIT,
    "SOURCE": SOURCE,
}


def run(programs: Programs, folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return programs.run(script, *arguments, cwd=folder, **ENVIRONMENT)


# ── publish-release.sh ──────────────────────────────────────────────────────────────────────────────────────────────


def publish(
    programs: Programs, folder: Path, *, state: str, immutable: str = "true"
) -> subprocess.CompletedProcess[str]:
    """`state` is what `gh release view` does."""
    programs.add("gh", f'case "$*" in "release view"*) {state} ;; api*) echo {immutable} ;; esac')
    (folder / "notes.md").write_text("- Something.\n")
    return run(programs, folder, "publish-release.sh", "v1.3.0", "notes.md", "a.whl", "a.tar.gz")


CREATE = "gh release create v1.3.0 --verify-tag --draft --title v1.3.0 --notes-file notes.md a.whl a.tar.gz"
PUBLISH = "gh release edit v1.3.0 --verify-tag --draft=false"


def test_a_release_is_a_draft_until_it_has_its_files(programs: Programs, tmp_path: Path) -> None:
    done = publish(programs, tmp_path, state="exit 1")
    assert done.returncode == 0, done.stderr
    assert programs.calls[1:3] == [CREATE, PUBLISH]
    assert (tmp_path / "notes.md").read_text().splitlines() == [
        "- Something.",
        "",
        f"Action: `uses: pleiades/maia@{COMMIT} # v1.3.0`",
        "",
        f"Image: `ghcr.io/pleiades/maia:v1.3.0@{DIGEST}`",
    ]


def test_a_draft_of_an_earlier_try_is_made_anew(programs: Programs, tmp_path: Path) -> None:
    assert publish(programs, tmp_path, state="echo true").returncode == 0
    assert programs.calls[1:4] == ["gh release delete v1.3.0 --yes", CREATE, PUBLISH]


def test_a_published_release_is_left_alone(programs: Programs, tmp_path: Path) -> None:
    assert publish(programs, tmp_path, state="echo false").returncode == 0
    assert len(programs.calls) == 2
    assert not {"create", "edit", "delete"} & {call.split()[2] for call in programs.calls}


def test_a_release_that_could_still_be_changed_is_an_error(programs: Programs, tmp_path: Path) -> None:
    done = publish(programs, tmp_path, state="exit 1", immutable="false")
    assert done.returncode == 1
    assert "::error title=The release is not immutable::" in done.stdout


# ── tag-image.sh ────────────────────────────────────────────────────────────────────────────────────────────────────


def tag_image(programs: Programs, folder: Path, **found: str) -> subprocess.CompletedProcess[str]:
    """`found` is what a tag of the image leads to; else it is the digest of the release."""
    cases = " ".join(f"*:{tag}' '*) echo {digest} ;;" for tag, digest in found.items())
    programs.add("docker", f'case "$* " in {cases} *inspect*) echo {DIGEST} ;; esac')
    return run(programs, folder, "tag-image.sh")


def test_the_image_of_the_commit_before_gets_the_tags_of_the_release(programs: Programs, tmp_path: Path) -> None:
    """A foreign workflow may name the action by its tag, or by the commit of the tag."""
    done = tag_image(programs, tmp_path)
    assert done.returncode == 0, done.stderr
    image = "ghcr.io/pleiades/maia"
    retag = f"docker buildx imagetools create --tag {image}:v1.3.0 --tag {image}:{COMMIT} {image}@{DIGEST}"
    looks = [f"docker buildx imagetools inspect {image}:{tag} --format" for tag in (SOURCE, "v1.3.0", COMMIT)]
    assert [call.removesuffix(" {{.Manifest.Digest}}") for call in programs.calls] == [looks[0], retag, *looks[1:]]


def test_an_image_that_is_not_the_one_of_the_commit_before_gets_none(programs: Programs, tmp_path: Path) -> None:
    done = tag_image(programs, tmp_path, **{SOURCE: OTHER})
    assert done.returncode == 1
    assert f"ghcr.io/pleiades/maia:{SOURCE} is {OTHER} and should be {DIGEST}" in done.stdout
    assert written(programs) == []


@pytest.mark.parametrize("tag", ["v1.3.0", COMMIT])
def test_a_tag_that_leads_elsewhere_is_an_error(programs: Programs, tmp_path: Path, tag: str) -> None:
    assert tag_image(programs, tmp_path, **{tag: OTHER}).returncode == 1


# ── move-major.sh ───────────────────────────────────────────────────────────────────────────────────────────────────


def move(
    programs: Programs, folder: Path, *, releases: str, image: str = DIGEST, exists: bool = True, now: str = COMMIT
) -> subprocess.CompletedProcess[str]:
    programs.add(
        "gh",
        f"""case "$*" in
"release list"*) printf '{releases}' ;;
*"--jq .object.sha") echo {now} ;;
*/git/ref/tags/*) {"exit 0" if exists else "exit 1"} ;;
esac""",
    )
    programs.add("docker", f'case "$*" in *inspect*) echo {image} ;; esac')
    return run(programs, folder, "move-major.sh")


def written(programs: Programs) -> list[str]:
    """The calls that change something."""
    return [call for call in programs.calls if "--method" in call or "imagetools create" in call]


RETAG = f"docker buildx imagetools create --tag ghcr.io/pleiades/maia:v1 ghcr.io/pleiades/maia@{DIGEST}"


def test_the_image_moves_before_the_tag(programs: Programs, tmp_path: Path) -> None:
    done = move(programs, tmp_path, releases="v1.3.0\\nv1.2.9\\nv2.0.0\\nv1\\n")
    assert done.returncode == 0, done.stderr
    update = f"--raw-field sha={COMMIT} --field force=true --silent"
    assert written(programs) == [RETAG, f"gh api --method PATCH repos/pleiades/maia/git/refs/tags/v1 {update}"]


def test_the_first_release_of_a_major_makes_its_tag(programs: Programs, tmp_path: Path) -> None:
    assert move(programs, tmp_path, releases="v1.3.0\\n", exists=False).returncode == 0
    new = f"--raw-field ref=refs/tags/v1 --raw-field sha={COMMIT} --silent"
    assert written(programs) == [RETAG, f"gh api --method POST repos/pleiades/maia/git/refs {new}"]


@pytest.mark.parametrize("releases", ["v1.3.0\\nv1.10.0\\nv1.2.0\\n", ""])
def test_a_release_of_an_older_line_moves_nothing(programs: Programs, tmp_path: Path, releases: str) -> None:
    done = move(programs, tmp_path, releases=releases)
    assert done.returncode == 0
    assert "::notice title=v1 stays::" in done.stdout
    assert written(programs) == []


def test_the_tag_stays_when_the_image_is_not_there(programs: Programs, tmp_path: Path) -> None:
    done = move(programs, tmp_path, releases="v1.3.0\\n", image=OTHER)
    assert done.returncode == 1
    assert f"ghcr.io/pleiades/maia:v1.3.0 is {OTHER} and should be {DIGEST}" in done.stdout
    assert written(programs) == []


def test_a_tag_that_did_not_move_is_an_error(programs: Programs, tmp_path: Path) -> None:
    done = move(programs, tmp_path, releases="v1.3.0\\n", now="d" * 40)
    assert done.returncode == 1
    assert "::error title=Wrong tag::v1 is at " in done.stdout


# ── sign-image.sh ───────────────────────────────────────────────────────────────────────────────────────────────────


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
        subject = f"ghcr.io/pleiades/maia@{DIGEST}"
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


# ── release-image.yml and release.yml ───────────────────────────────────────────────────────────────────────────────


JOBS: dict[str, dict[str, Any]] = load(RELEASE)["jobs"] if RELEASE.exists() else {}
IMAGE_JOBS: dict[str, dict[str, Any]] = load(IMAGE)["jobs"] if IMAGE.exists() else {}
each_workflow = pytest.mark.parametrize("jobs", [IMAGE_JOBS, JOBS], ids=["release-image", "release"])


def before(jobs: dict[str, dict[str, Any]], job: str) -> set[str]:
    """The jobs that have to succeed before this one starts."""
    needs = jobs[job].get("needs", [])
    names = {needs} if isinstance(needs, str) else set(needs)
    return names.union(*(before(jobs, name) for name in names))


def test_an_image_is_built_of_what_was_tested() -> None:
    """And a release's image has to be there: so whatever is released was tested."""
    assert before(IMAGE_JOBS, "image") == {"facts", "ci"}
    assert before(IMAGE_JOBS, "attest") == {"facts", "ci", "image"}


def test_nothing_is_published_before_it_was_signed_and_nothing_irrevocable_before_the_image_has_its_tags() -> None:
    assert "facts" in before(JOBS, "packages")
    assert before(JOBS, "image") == {"facts", "packages", "sign"}
    for job in ("pypi", "release", "major"):
        assert {"packages", "image", "sign"} <= before(JOBS, job)
    assert before(JOBS, "major") == set(JOBS) - {"major"}


def test_each_job_may_do_what_it_has_to_and_no_more() -> None:
    def may(jobs: dict[str, dict[str, Any]]) -> dict[str, set[str]]:
        return {
            name: {scope for scope, level in job["permissions"].items() if level == "write"}
            for name, job in jobs.items()
        }

    assert may(IMAGE_JOBS) == {
        "facts": set(),
        "ci": {"pull-requests"},  # handed on to its job `comment`
        "image": {"packages"},
        "attest": {"packages", "attestations", "id-token"},
    }
    assert may(JOBS) == {
        "facts": set(),
        "packages": set(),
        "sign": {"packages", "attestations", "id-token"},
        "image": {"packages"},
        "pypi": {"id-token"},
        "release": {"contents"},
        "major": {"contents", "packages"},
    }


@each_workflow
def test_what_publishes_does_so_from_the_projects_own_repository_alone_and_under_an_environment(
    jobs: dict[str, dict[str, Any]],
) -> None:
    for name, job in jobs.items():
        writes = "write" in job["permissions"].values() and name != "ci"  # which publishes nothing
        assert ("environment" in job) == writes, name
        if writes or name == "facts":
            assert job["if"] == "github.repository == 'pleiades/maia'"


def test_the_copies_that_name_the_release_are_files_of_it() -> None:
    lines = [step["run"] for step in JOBS["release"]["steps"] if "run" in step]
    assert 'python3 .github/scripts/pin_release.py callers "$TAG" callers' in lines
    assert lines[-1].endswith(" callers/*")
