"""Remove from a virtual environment what the agents never use: `python slim.py FOLDER`. For the image's build only.

Prints what each step saves, and writes the same figures to FOLDER/slim.json.
"""

from __future__ import annotations

import json
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path

SERVER_ONLY = (
    "aiosqlite", "beartype", "burner-redis", "cffi", "cronsim", "cryptography", "jinja2-humanize-extension",
    "py-key-value-aio", "pycparser", "pydocket", "redis", "uncalled-for",
)  # fmt: skip
"""Distributions that only a Prefect server imports; the agents are at most its clients."""

SOURCES = {".c", ".h", ".pxd", ".po", ".pyi", ".pyx"}
"""Suffixes of files that are not read at run time."""

_ELF = struct.Struct("<16s HHI QQQ I HHHHHH")  # the header of a 64-bit file, little-endian
_SEGMENT = struct.Struct("<II QQQQQQ")  # an entry of its program header table


def main(folder: Path) -> None:
    (site,) = folder.glob("lib/python*/site-packages")
    figures = {}
    for what, step in STEPS.items():
        before = size(folder)
        step(site)
        figures[what] = before - size(folder)
        sys.stdout.write(f"{figures[what] / 1e6:8.1f} MB  {what}\n")
    (folder / "slim.json").write_text(json.dumps(figures, indent=2) + "\n")


def size(folder: Path) -> int:
    """Return the bytes of all files."""
    return sum(path.stat().st_size for path in files(folder))


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def drop_ui(site: Path) -> None:
    for name in ("ui", "ui-v2"):
        shutil.rmtree(site / "prefect" / "server" / name)


def drop_server_packages(site: Path) -> None:
    found = {normal(each.name): each for each in distributions(path=[str(site)])}
    for name in SERVER_ONLY:
        for file in found[name].files or ():
            Path(str(file.locate())).unlink(missing_ok=True)
    # an empty folder could still be imported, as a namespace
    for path in sorted(site.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def normal(name: str) -> str:
    """Return the normalized name of a distribution."""
    return name.lower().replace("_", "-").replace(".", "-")


def drop_tests(site: Path) -> None:
    for path in [*site.glob("*/**/tests"), site / "sqlalchemy" / "testing"]:
        if path.is_dir():
            shutil.rmtree(path)


def drop_sources(site: Path) -> None:
    for path in list(files(site)):
        if path.suffix in SOURCES:
            path.unlink()


def strip_libraries(site: Path) -> None:
    for path in list(files(site)):
        if ".so" in path.suffixes:
            strip(path)


def strip(library: Path) -> None:
    """Cut off what follows the loaded segments: debugging symbols and the section table.

    The dynamic linker reads neither. Used in place of binutils, which the base image lacks. Other files stay as they
    are.
    """
    data = library.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
        return
    head = list(_ELF.unpack_from(data))
    start, entry_size, entries = head[5], head[9], head[10]
    end = start + entry_size * entries
    for number in range(entries):
        _, _, offset, _, _, length, _, _ = _SEGMENT.unpack_from(data, start + number * entry_size)
        end = max(end, offset + length)
    if end >= len(data):
        return
    head[6] = head[12] = head[13] = 0  # e_shoff, e_shnum, e_shstrndx: there are no sections any more
    library.write_bytes(_ELF.pack(*head) + data[_ELF.size : end])


STEPS: dict[str, Callable[[Path], None]] = {
    "the web pages of a Prefect server": drop_ui,
    "packages that only a Prefect server imports": drop_server_packages,
    "debugging symbols of compiled modules": strip_libraries,
    "tests of dependencies": drop_tests,
    "C and Cython sources, type stubs, untranslated texts": drop_sources,
}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
