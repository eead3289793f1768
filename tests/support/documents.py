"""Reading the project's own documents: their sections, code blocks, tables and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = [
    "CHECKOUT", "Block", "Section", "anchors", "document", "documents", "needs_documents", "prose", "sections", "slug",
    "table",
]  # fmt: skip

CHECKOUT = Path(__file__).resolve().parents[2]


def documents() -> list[Path]:
    """Every document of the checkout; none where the tests run without one, beside an installed wheel."""
    return sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")])


_NONE = "there are no documents beside these tests: they run from an installed wheel"
needs_documents = pytest.mark.skipif(not documents(), reason=_NONE)


def document(name: str) -> str:
    """The text of one document; without a checkout the test is skipped."""
    if not documents():
        pytest.skip(_NONE)
    return (CHECKOUT / name).read_text(encoding="utf-8")


@dataclass
class Block:
    """A fenced block: its language, and its lines."""

    language: str
    lines: list[str] = field(default_factory=list)


@dataclass
class Section:
    """A heading, the text below it up to the next one, and the blocks in it."""

    heading: str
    level: int
    text: str = ""
    blocks: list[Block] = field(default_factory=list)


def sections(text: str) -> list[Section]:
    """The sections of a document, in order; what stands before the first heading is left out."""
    found: list[Section] = []
    block: Block | None = None
    for line in text.splitlines():
        if line.startswith("```"):
            if block is None:
                block = Block(line[3:].strip())
                found[-1].blocks.append(block)
            else:
                block = None
        elif block is not None:
            block.lines.append(line)
        elif match := re.match(r"(#+) (.+)", line):
            found.append(Section(match[2].strip(), len(match[1])))
        elif found:
            found[-1].text += line + "\n"
    assert block is None, "a fenced block has no end"
    return found


def prose(text: str) -> str:
    """The text without its fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {slug(section.heading) for section in sections(text)}


def table(text: str, *columns: str) -> Iterator[tuple[str, ...]]:
    """The rows of every table with these columns."""
    inside = False
    for line in text.splitlines():
        cells = tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        if cells == columns:
            inside = True
        elif not cells:
            inside = False
        elif inside and set("".join(cells)) - set("-: "):
            yield cells
