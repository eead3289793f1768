"""The tests where they are started with signals ignored, as by a script in the background or by nohup."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.ignored_signals import ignoring

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parent.parent.parent
# whose children have to end by SIGINT, or look at the state of their own signals
THESE = (
    "tests/integration/test_first_moments.py::test_a_signal_ends_a_process_that_is_still_importing[maia-2-130]",
    "tests/integration/test_sandbox_command.py::test_it_prints_its_base_url_first_answers_and_stops_cleanly[2]",
    "tests/unit/test_shutdown.py::test_a_signal_requests_the_shutdown_and_the_old_handlers_come_back[2]",
)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_tests_of_signals_pass_where_the_suite_was_started_to_ignore_them(workers: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        workers,
        "-k",
        "SIGINT or 2",
        *THESE,
    ]
    with ignoring(signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
