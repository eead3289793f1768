"""Counts the generated cases that really ran, and says how many at the end of a run.

A case counts when the body of a property came to its end: what was drawn and thrown away (`assume`), the search for a
smaller example and a case that failed do not. Every `@given` test is counted by itself. What generates in another way,
such as a state machine, calls `one_more()` at the end of each case.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

__all__ = ["one_more", "pytest_runtest_call", "pytest_terminal_summary", "thorough"]

_PROPERTY = "generated_cases"
_cases = 0


def thorough(cases: int) -> settings:
    """The settings of a property with so many cases: nothing in it goes by the speed of this machine."""
    return settings(
        max_examples=cases,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


def one_more() -> None:
    """A generated case of the test that runs now came to its end."""
    global _cases  # noqa: PLW0603  one test runs at a time
    _cases += 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Counts the cases of one test; a report's `user_properties` come from the workers of pytest-xdist too."""
    global _cases  # noqa: PLW0603  one test runs at a time
    _cases = 0
    handle = getattr(getattr(item, "obj", None), "hypothesis", None)
    body = getattr(handle, "inner_test", None)
    if body is not None:
        handle.inner_test = _counted(body)
    try:
        return (yield)
    finally:
        if body is not None:
            handle.inner_test = body  # the parameters of one test share it
        if _cases:
            item.user_properties.append((_PROPERTY, _cases))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """`N generated cases in M properties`, where there were any."""
    found: dict[str, int] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                name = report.nodeid.partition("[")[0]
                cases = sum(value for key, value in report.user_properties if key == _PROPERTY)
                found[name] = found.get(name, 0) + cases
    properties = sum(cases > 0 for cases in found.values())
    if properties:
        terminalreporter.write_line(f"{sum(found.values()):,} generated cases in {properties} properties")


def _counted(body: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(body):

        @functools.wraps(body)
        async def waited(*args: Any, **kwargs: Any) -> Any:
            result = await body(*args, **kwargs)
            one_more()
            return result

        return waited

    @functools.wraps(body)
    def called(*args: Any, **kwargs: Any) -> Any:
        result = body(*args, **kwargs)
        one_more()
        return result

    return called
