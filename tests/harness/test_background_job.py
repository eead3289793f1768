"""The tests where they are started with signals ignored, as by a script in the background or by nohup."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from ..support.documents import CHECKOUT
from ..support.ignored_signals import ignoring

pytestmark = pytest.mark.integration

# whose children have to end by SIGINT, or look at the state of their own signals
THESE = (
    "tests/integration/test_first_moments.py::test_a_signal_ends_a_process_that_is_still_importing[maia-2]",
    "tests/integration/test_sandbox_command.py::test_it_prints_its_base_url_first_answers_and_stops_cleanly[2]",
    "tests/unit/test_shutdown.py::test_a_signal_requests_the_shutdown_and_the_old_handlers_come_back[2]",
)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_tests_of_signals_pass_where_the_suite_was_started_to_ignore_them(workers: str) -> None:
    # a worker of xdist inherits from its parent what the parent itself puts right: the fastest test is enough there
    tests = THESE if workers == "0" else THESE[2:]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers, *tests]
    with ignoring(signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
