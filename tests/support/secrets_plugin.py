"""Looks for the planted secrets in all that the tests bring to light, in clear and encoded; who shows one fails.

Looked through are what each test printed and logged, captured by pytest; and, by way of `shown` and `beside`, what
child processes printed, their result files, the rows of their databases and the command lines of all processes while
they run. A test that shows a secret on purpose says so: `@pytest.mark.shows_secrets("why")`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

import pytest

from .fake_secrets import PLANTED
from .secret_search import find_leaks, process_list

__all__ = ["beside", "shown"]

_PROPERTY = "looked_through_for_secrets"
_looked = {"bytes": 0, "outputs": 0}


def shown(what: str, *texts: str | bytes | None, secrets: Mapping[str, str] = PLANTED) -> None:
    """Fails the test if one of the secrets stands in some of these texts.

    Args:
        what: they are, for the message.
        texts: of anything that others than the user may read.
        secrets: other ones than those that are planted.
    """
    for text in texts:
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text or b""
        _looked["outputs"] += 1
        _looked["bytes"] += len(data)
        leaks = find_leaks(data, secrets)
        if leaks:
            pytest.fail(f"{what} shows secrets: {'; '.join(leaks)}", pytrace=False)


def beside(what: str) -> None:
    """Fails the test if one of the secrets stands on the command line of any process now."""
    shown(f"the list of processes, {what}", process_list())


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "shows_secrets(why): prints or logs a planted secret on purpose")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Looks through what the test has printed and logged, once it has been cleaned up after it."""
    report = yield
    if report.when != "teardown":
        return report
    marker = item.get_closest_marker("shows_secrets")
    if marker is None:
        try:
            for name, text in report.sections:
                shown(name, text)
        except pytest.fail.Exception as leak:
            report.outcome, report.longrepr = "failed", f"{item.nodeid}: {leak}"
    else:
        assert marker.args, "shows_secrets says why"
    report.user_properties.append((_PROPERTY, (_looked["outputs"], _looked["bytes"])))
    _looked.update(outputs=0, bytes=0)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was looked through."""
    outputs = size = 0
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "teardown":
                for name, value in report.user_properties:
                    if name == _PROPERTY:
                        outputs, size = outputs + value[0], size + value[1]
    if outputs:
        among = f"{outputs:,} outputs ({size:,} bytes)"
        terminalreporter.write_line(f"looked for {len(PLANTED)} planted secrets in {among}: none but reported above")
