"""The entry point of action.yml: `python3 -IB entry.py`. Any Python 3 must be able to parse this file."""

import os
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  the runner's Python may be older
    print(
        "::error title=Maia%3A Python is too old::The action needs Python 3.11 or newer as python3, and this is "
        + sys.version.split()[0]
        + ". Use runs-on: ubuntu-latest (or ubuntu-24.04), or actions/setup-python before this step."
    )
    with open(os.environ.get("GITHUB_OUTPUT") or os.devnull, "a") as outputs:  # noqa: PTH123
        outputs.write("outcome=config\nexit-code=78\n")
    sys.exit(78)

# -I keeps the workspace off the path; the action's packages are beside this folder
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from action.main import main

sys.exit(main())
