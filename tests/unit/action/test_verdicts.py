"""One table: a verdict for every code."""

from __future__ import annotations

import pytest

from action.verdicts import OUT_OF_MEMORY, VERDICTS, verdict_of
from maia.runtime.exitcodes import EXIT_CODES, Outcome

CODES = [int(row.code) for row in EXIT_CODES]


def test_every_code_of_maia_and_of_the_engine_has_a_verdict() -> None:
    assert [row.code for row in VERDICTS] == [*CODES, 125, 126, 127, 137]
    assert OUT_OF_MEMORY.code == 137


def test_every_failure_has_an_annotation_of_its_own() -> None:
    failing = [row for row in (*VERDICTS, OUT_OF_MEMORY) if not row.passes]
    assert all(row.level == "error" for row in failing)
    assert len({row.title for row in failing}) == len(failing)
    assert all(row.advice for row in failing)


def test_out_of_memory_is_distinguished_from_other_kills() -> None:
    assert verdict_of(137).name == "killed"
    assert verdict_of(137, out_of_memory=True) is OUT_OF_MEMORY
    assert verdict_of(1, out_of_memory=True).name == "failure"


@pytest.mark.parametrize("code", [3, 99, 128, 134, 139, 255])
def test_an_unknown_code_is_a_failure(code: int) -> None:
    verdict = verdict_of(code)
    assert (verdict.code, verdict.outcome, verdict.level) == (code, Outcome.FAILURE, "error")
