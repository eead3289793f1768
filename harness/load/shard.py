"""``python -m harness.load.shard FILE ARGUMENTS``: ``maia ARGUMENTS``, whose claims and writes are noted in the
file."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.load.measure import measure
from maia.__main__ import main

if __name__ == "__main__":
    measure(Path(sys.argv.pop(1)))
    main()
