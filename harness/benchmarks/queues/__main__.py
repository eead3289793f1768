"""``python -m harness.benchmarks.queues NAME DSN ITEMS SETTINGS``: drains one of the queues, and prints how fast."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict

from harness.benchmarks.queues import Drained, Job

if __name__ == "__main__":
    name, dsn, items, given = sys.argv[1:]
    module, _, variant = name.partition(".")
    run = getattr(importlib.import_module(f"harness.benchmarks.queues.{module}"), variant or "run")
    drained: Drained = run(Job(dsn, int(items), json.loads(given)))
    print(json.dumps(asdict(drained)))
