"""``python -m harness.benchmarks.queues NAME DSN ITEMS SETTINGS``: drains one of the queues, and prints how fast."""

from __future__ import annotations

import importlib
import sys

from harness.benchmarks.queues.drained import Drained, Job

if __name__ == "__main__":
    drained: Drained = importlib.import_module(f"harness.benchmarks.queues.{sys.argv[1]}").run(Job.given(sys.argv[2:]))
    drained.print_result()
