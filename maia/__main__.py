"""``python -m maia``."""

from maia.cli import main

main()
