"""The stale check: one issue, opened, updated and closed as collection is, whatever GitHub answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from action.cancel import Cancel
from action.github import LABEL, MARK, TRIES, Issues

from ...support.action_step import FakeDocker, Step, ran
from ...support.fake_github import TOKEN, GitHub, github

STALE = "zone 1: 40 % of videos were read in time"


@pytest.fixture
def hub(step: Step, docker: FakeDocker) -> Iterator[GitHub]:
    with github() as hub:
        step.env |= hub.environ
        docker.plays(secrets=[*docker.behaviour["secrets"], TOKEN])
        yield hub


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which take no time."""
    pauses: list[float] = []
    monkeypatch.setattr(Cancel, "wait", lambda _, seconds: pauses.append(seconds))
    return pauses


def ends(docker: FakeDocker, code: int, output: str = STALE) -> None:
    docker.plays(run=[ran(code, output=f"{output}\n")])


def test_one_issue_lives_from_stale_to_well(step: Step, docker: FakeDocker, hub: GitHub) -> None:
    ends(docker, 0, "all is well")
    done = step.here(command="check")
    assert (done.code, done.outputs["outcome"], hub.issues) == (0, "ok", [])
    ends(docker, 1)
    done = step.here(command="check", max_age="3h")
    assert (done.code, done.outputs["exit-code"], done.outputs["issue"]) == (0, "1", "1")
    command = " ".join(docker.of("run")[-1]["arguments"])
    assert command.endswith("python -m maia status --check --max-age 3h")
    assert "GITHUB_TOKEN" not in command
    (issue,) = hub.issues
    assert issue["title"] == "Maia: collection is stale or failing"
    assert f"```text\n{STALE}\n```" in issue["body"]
    assert "[this run](https://github.com/someone/tubes/actions/runs/4711)" in issue["body"]
    assert "Issue #1 is opened." in done.summary
    assert any(title.startswith("Maia: collection is stale") for title in done.annotations("warning"))
    ends(docker, 69, "the database cannot be reached")
    assert step.here(command="check").code == 0
    assert (len(hub.issues), hub.comments) == (1, []), "an update notifies nobody"
    assert hub.issues[0]["title"] == "Maia: the database cannot be reached"
    ends(docker, 0, "all is well")
    done = step.here(command="check")
    assert (done.code, hub.states, done.outputs["issue"]) == (0, ["closed"], "1")
    ((number, comment),) = hub.comments
    assert number == 1
    assert comment.startswith("Collection is well again, as of ")
    ends(docker, 1)
    step.here(command="check")
    assert hub.states == ["closed", "open"], "a new time, a new issue"


@pytest.mark.parametrize("env", [{"GITHUB_TOKEN": " "}, {"GITHUB_TOKEN": TOKEN, "ACT": "true"}])
def test_without_a_token_the_step_fails_where_collection_is_not_well(
    step: Step, docker: FakeDocker, env: dict[str, str]
) -> None:
    step.env |= env
    ends(docker, 1)
    done = step.here(command="check")
    assert (done.code, done.outputs["outcome"]) == (1, "failure")
    assert f"```text\n{STALE}\n```" in done.summary
    ends(docker, 0)
    assert step.here(command="check").code == 0


@pytest.mark.parametrize(("code", "started"), [(125, False), (126, True), (137, True), (2, True)])
def test_what_says_nothing_about_the_collection_touches_no_issue(
    step: Step, docker: FakeDocker, hub: GitHub, code: int, started: bool
) -> None:
    hub.open(MARK)
    docker.plays(run=[ran(code, started=started)])
    assert step.here(command="check").code == code
    assert hub.calls == []


def test_issues_of_people_and_pull_requests_are_never_touched(step: Step, docker: FakeDocker, hub: GitHub) -> None:
    hub.open("mine, with this label")
    hub.open(MARK, labels=("other",))
    hub.open(MARK, pull_request={})
    before = [dict(issue) for issue in hub.issues]
    ends(docker, 0)
    step.here(command="check")
    assert hub.issues == before
    ends(docker, 1)
    assert step.here(command="check").outputs["issue"] == "4"
    assert hub.issues[:3] == before


def test_of_two_runs_at_once_one_issue_stays(step: Step, docker: FakeDocker, hub: GitHub) -> None:
    """The other run opens its issue between this run's look and its opening."""
    does = hub.does

    def at_once(method: str, path: str, given: dict[str, str]) -> tuple[int, object]:
        if method == "POST" and not hub.issues:
            hub.open(MARK)
        return does(method, path, given)

    hub.does = at_once  # type: ignore[method-assign]
    ends(docker, 1)
    assert step.here(command="check").outputs["issue"] == "1"
    assert hub.states == ["open", "closed"]


def test_a_label_that_is_dropped_is_added(step: Step, docker: FakeDocker, hub: GitHub) -> None:
    hub.drops_labels = True
    ends(docker, 1)
    for _ in range(2):
        assert step.here(command="check").code == 0
    assert len(hub.issues) == 1
    assert hub.issues[0]["labels"] == [{"name": LABEL}]


LIMIT = {"X-RateLimit-Remaining": "0"}


@pytest.mark.parametrize(
    ("answers", "pauses"),
    [
        ([(502, {})], [2]),
        ([(503, {}), (500, {})], [2, 6]),
        ([(429, {"Retry-After": "30"})], [30]),
        ([(403, {"Retry-After": "7"}), (403, LIMIT)], [7, 6]),
        ([(429, {"Retry-After": "soon"})], [2]),
        (["garbled"], [2]),
        ([None, "lost"], [2]),  # the issue was opened, and the answer lost
        ([None, "garbled"], [2]),
        ([None, None, (502, {})], [2]),
    ],
)
def test_an_error_that_passes_is_tried_again_and_opens_no_second_issue(
    step: Step, docker: FakeDocker, hub: GitHub, waited: list[float], answers: list[object], pauses: list[float]
) -> None:
    hub.answers = list(answers)  # type: ignore[arg-type]
    ends(docker, 1)
    assert step.here(command="check").code == 0
    assert waited == pauses
    assert len(hub.issues) == 1


@pytest.mark.parametrize("lost", [[None, "lost"], [None, None, "lost"], [None, None, (502, {})]])
def test_a_comment_is_written_once(
    step: Step, docker: FakeDocker, hub: GitHub, waited: list[float], lost: list[object]
) -> None:
    hub.open(MARK)
    hub.answers = list(lost)  # type: ignore[arg-type]
    ends(docker, 0)
    assert step.here(command="check").code == 0
    assert waited == [2]
    assert hub.states == ["closed"]
    assert len(hub.comments) == (2 if lost == [None, "lost"] else 1), "a lost answer to a comment is not known"


@pytest.mark.parametrize(
    ("answer", "code", "words", "calls"),
    [
        ((403, {}), 78, "permissions: issues: write", 1),
        ((401, {}), 78, "GITHUB_TOKEN: ${{ github.token }}", 1),
        ((404, {}), 78, "Settings, General, Features, Issues", 1),
        ((410, {}), 78, "MAIA_STALE_ISSUE", 1),
        ((422, {}), 1, "status 422", 1),
        ((301, {"Location": "http://elsewhere.example/"}), 1, "status 301", 1),
        ((502, {}), 1, "failed 4 times, the last time with: status 502", TRIES),
        ((429, {"Retry-After": "3600"}), 1, "failed 1 times, the last time with: a rate limit (429)", 1),
    ],
)
def test_what_does_not_pass_fails_the_step_and_says_what_to_do(
    step: Step, docker: FakeDocker, hub: GitHub, waited: list[float],
    answer: tuple[int, dict[str, str]], code: int, words: str, calls: int,
) -> None:  # fmt: skip
    hub.answers = [answer] * TRIES  # type: ignore[list-item]
    ends(docker, 1)
    done = step.here(command="check")
    assert (done.code, len(hub.calls)) == (code, calls)
    (error,) = done.annotations("error")
    assert error.startswith("Maia: the issue: ")
    assert words in error
    assert hub.issues == []
    assert len(waited) == calls - 1


def test_no_secret_is_in_an_issue_and_text_of_others_is_code(step: Step, docker: FakeDocker, hub: GitHub) -> None:
    ends(docker, 1, f"@team ``` <b> {step.env['DATABASE_URL']} {TOKEN}\n::error::x")
    done = step.here(command="check")
    (issue,) = hub.issues
    assert "````text\n@team ``` <b> *** ***\n::error::x\n````" in issue["body"]
    assert done.annotations("error") == []


@pytest.mark.parametrize("repository", ["", "tubes", "a/b/c"])
def test_outside_of_a_workflow_there_is_no_issue_to_keep(
    step: Step, docker: FakeDocker, hub: GitHub, repository: str
) -> None:
    step.env["GITHUB_REPOSITORY"] = repository
    ends(docker, 1)
    assert step.here(command="check").code == 78
    assert hub.calls == []


def test_a_cancelled_job_ends_the_pause(hub: GitHub) -> None:
    class Cancelled(Exception):
        pass

    def wait(_: float) -> None:
        raise Cancelled

    hub.answers = [(502, {})]
    with pytest.raises(Cancelled):
        Issues(hub.environ, wait).close("well")
