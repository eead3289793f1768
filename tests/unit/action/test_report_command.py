"""`report`: the page of the container is a file in a folder of the runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from action import container

from ...support.action_step import FakeDocker, Step, ran

PAGE = "<!doctype html><title>é</title>"


def test_the_page_is_given_out_with_its_folder(step: Step, docker: FakeDocker) -> None:
    step.env["RUNNER_TEMP"] = str(step.folder)
    docker.plays(run=[ran(0, result=PAGE)])
    done = step.here(command="report", days="30")
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (0, "ok", "0")
    folder = Path(done.outputs["page"])
    assert folder.parent == step.folder
    assert [path.name for path in folder.iterdir()] == ["index.html"]
    assert (folder / "index.html").read_text() == PAGE
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "index.html").stat().st_mode & 0o044 == 0o044
    (run,) = docker.of("run")
    command = "python -m maia report --output /run/maia/page.html --days 30"
    assert " ".join(run["arguments"]).endswith(command)
    (copy,) = docker.of("cp")
    assert copy["arguments"][1].endswith(":/run/maia/page.html")
    assert f"The page has {len(PAGE.encode())} bytes." in done.summary


def test_a_report_that_failed_gives_out_nothing(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(69, output="the database cannot be reached\n")])
    done = step.here(command="report")
    assert (done.code, done.outputs["outcome"], "page" in done.outputs) == (69, "unavailable", False)
    assert any("the database cannot be reached" in text for text in done.annotations("error"))
    assert docker.of("cp") == []


@pytest.mark.parametrize("how", [{}, {"result": "x", "link": True}, {"result": "x" * 11}])
def test_a_page_that_is_none_fails_the_step(
    step: Step, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch, how: dict[str, object]
) -> None:
    monkeypatch.setattr(container, "LARGEST_PAGE", 10)
    docker.plays(run=[ran(0, **how)])
    done = step.here(command="report")
    assert (done.code, "page" in done.outputs) == (125, False)
    assert "root:" not in done.log
