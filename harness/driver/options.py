"""What the command lines of the harness share."""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""


def parser_of(prog: str, description: str | None, epilog: str | None = None) -> argparse.ArgumentParser:
    """Return a parser that shows its texts as they are."""
    raw = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog, description=description, epilog=epilog, formatter_class=raw)


def positive(text: str) -> float:
    """Return a number above 0."""
    value = float(text)
    if not 0 < value < 1_000_000:
        raise argparse.ArgumentTypeError("it must be above 0")
    return value


def count(text: str) -> int:
    """Return a whole number from 1 on."""
    value = int(text)
    if not 1 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError("it must be 1 or more")
    return value
