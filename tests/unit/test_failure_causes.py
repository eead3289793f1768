"""The error of a run names why its items failed: each cause once, with how often, without secrets."""

from __future__ import annotations

import pytest

from atlas.errors import StatementFailed
from atlas.quota.buckets import Bucket
from atlas.redaction import remember_secret
from maia.agents.session import FailureCauses
from maia.runtime.result_file import LONGEST_LINE
from maia.youtube import BadRequest, Forbidden, Malformed, NetworkError, NotFound, ServerError, YouTubeError, classify

BAD = b'{"error": {"code": 400, "message": "No filter selected.", "errors": [{"reason": "invalidParameter"}]}}'
BACKEND = b'{"error": {"code": 503, "message": "Backend Error", "errors": [{"reason": "backendError"}]}}'


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (classify(400, BAD, {}, Bucket.SEARCH), "400 invalidParameter (1): No filter selected"),
        (classify(503, BACKEND, {}, Bucket.SEARCH), "503 backendError (1): Backend Error"),
        (classify(502, b"<html>", {}, Bucket.SEARCH), "502 (1)"),
        (
            classify(404, b"<html>", {}, Bucket.SEARCH),
            "An answer of status 404 that is not the API's. Is YOUTUBE_API_BASE_URL right? (1)",
        ),
        (BadRequest("no reason given"), "400 no reason given (1)"),
        (Forbidden("SERVICE_UNAVAILABLE", detail="no permission"), "403 SERVICE_UNAVAILABLE (1): no permission"),
        (NotFound(), "404 notFound (1)"),
        (ServerError(500), "500 (1)"),
        (Malformed("search.list: no JSON."), "search.list: no JSON (1)"),
        (NetworkError("It cannot be reached: no route.", reached=False), "It cannot be reached: no route (1)"),
        (StatementFailed("the database refused a statement"), "the database refused a statement (1)"),
        (RuntimeError(), "RuntimeError (1)"),
    ],
)  # fmt: skip
def test_a_cause_is_its_status_and_reason_and_what_was_said(error: Exception, expected: str) -> None:
    causes = FailureCauses()
    causes.record(error)
    assert str(causes) == expected


def test_the_most_frequent_comes_first_and_of_many_three_are_named() -> None:
    causes = FailureCauses()
    for error, times in ((ServerError(500), 1), (NotFound(), 50), (BadRequest("a"), 2), (ServerError(502), 1)):
        causes.record(error, times)
    causes.record(ServerError(500, detail="the same cause, with words"))
    causes.record(BadRequest("b", detail="x" * 10_000))
    assert str(causes) == "404 notFound (50); 500 (2): the same cause, with words; 400 a (2); and 2 more"


def test_a_text_of_others_is_one_short_line_without_secrets_and_commands() -> None:
    remember_secret("a-key-that-nobody-may-see")
    causes = FailureCauses()
    for number in range(3):
        text = f"::error::a-key-that-nobody-may-see\n\x1b[31m##[add-mask]{number}" + "y" * 10_000
        causes.record(BadRequest(f"r{number}", detail=text))
        causes.record(StatementFailed(text), 2)
    shown = str(causes)
    assert "a-key-that" not in shown
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert "##[" not in shown
    assert len(shown) < LONGEST_LINE


def test_every_error_of_the_api_has_a_cause_without_its_detail() -> None:
    error: YouTubeError = ServerError(503, detail="a detail")
    assert (error.cause, error.quote) == ("503", "a detail")
    assert YouTubeError("It failed.", detail="a detail").cause == "It failed."
