"""Find and read the file `.env` of a command.

The parser is python-dotenv's. Lines that it skips with a warning are problems here: the setting would keep its default,
and the command would work on another database than the user meant.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dotenv.parser import Binding

__all__ = ["DotEnv", "Quoted", "find", "left_out"]

_NAME = ".env"
_NEWLINE = re.compile(r"\r\n|\r|\n")
_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PARTS = re.compile(r"\s*(?:export[^\S\r\n]+)?('[^']*'|[^=#\s]+)?[^\S\r\n]*(=?)[^\S\r\n]*(.*)", re.DOTALL)
_CLOSED = {quote: re.compile(rf"{quote}(?:\\.|[^{quote}\\])*{quote}", re.DOTALL) for quote in "'\""}
_WORDS = {"'": "single", '"': "double"}
_ASSIGNED = re.compile(r"^[^\S\n]*(?:export\s+)?'?(\w+)'?[^\S\n]*=", re.MULTILINE)
_NAMED = re.compile(rb"^[^\S\n]*(?:export\s+|\$env:)?[^\w\s#]*(\w+)", re.MULTILINE | re.IGNORECASE)
_FOREIGN = re.compile(r"(?:\W*env:)?\W*(\w+)\W*", re.IGNORECASE)


class Quoted(str):
    """A value that was in quotes: the rest is literal."""

    __slots__ = ()


@dataclass
class DotEnv:
    """The content of one file. Values and line numbers are by name in lower case."""

    path: Path
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)  # names with a value, as written
    expanding: list[str] = field(default_factory=list)  # names with an unexpanded `${` outside of single quotes
    problems: list[str] = field(default_factory=list)  # messages, which show no value

    def where(self, name: str) -> str:
        return f"line {self.lines[name]} of {self.path}"


def find(known: Collection[str]) -> DotEnv | None:
    """Return the `.env` of the current folder, or the nearest one above it in the same project.

    A file above must name a setting and belong to this user. The project ends at the root of the git repository;
    outside of a repository it is everything below the home folder. `known`: all settings, in lower case.
    """
    here = _here()
    if here is None:
        return None
    own = here / _NAME
    # a virtual environment may have this name; a dangling link is a file that cannot be read
    if os.path.lexists(own) and not os.path.exists(own / "pyvenv.cfg"):  # noqa: PTH110
        return _read(own, known)
    for path in _above(here, _project(here)):
        if path.stat().st_uid == os.geteuid() and _names(path) & set(known):
            return _read(path, known)
    return None


def left_out(name: str) -> Path | None:
    """Return the nearest `.env` above this folder that sets `name`, also outside of the project."""
    here = _here()
    if here is None:
        return None
    return next((path for path in _above(here, list(here.parents)) if name in _names(path)), None)


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # the folder was deleted
        return None


def _project(here: Path) -> list[Path]:
    try:
        home: Path | None = Path.home()
    except RuntimeError:  # a container's user without a home
        home = None
    found: list[Path] = []
    folder = here
    while not os.path.lexists(folder / ".git"):  # pathlib raises if a folder may not be entered
        folder = folder.parent
        if folder == home:
            return found
        if folder == folder.parent:
            return []
        found.append(folder)
    return found


def _above(here: Path, folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        path = folder / _NAME
        try:
            if folder != here and stat.S_ISREG(path.stat().st_mode) and os.access(path, os.R_OK):
                yield path
        except OSError:
            continue


def _names(path: Path) -> set[str]:
    """Return the first word of each line, in lower case, even if the rest cannot be parsed."""
    try:
        raw = path.read_bytes().replace(b"\0", b"").lstrip(b"\xff\xfe\xef\xbb\xbf")  # also of UTF-16
    except OSError:
        return set()
    return {name.decode("ascii", "replace").lower() for name in _NAMED.findall(raw)}


def _read(path: Path, known: Collection[str]) -> DotEnv:
    file = DotEnv(path)
    try:
        raw = path.read_bytes()
    except IsADirectoryError:
        file.problems.append(
            f"{path} cannot be read: it is a folder. Remove or rename it; docker makes one where a file to be mounted "
            "is missing."
        )
    except OSError as error:
        file.problems.append(f"{path} cannot be read: {error.strerror}. Correct or remove it.")
    else:
        text = _text(file, raw)
        if text is not None:
            _parse(file, text, known)
    return file


def _text(file: DotEnv, raw: bytes) -> str | None:
    if raw.startswith(_BOMS) or b"\0" in raw:
        file.problems.append(f"{file.path} cannot be read: it is UTF-16 or no text. Save it as UTF-8.")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(raw[: error.start].splitlines()) or 1
        file.problems.append(f"{file.path} cannot be read: line {line} is not UTF-8. Save it as UTF-8.")
        return None


def _parse(file: DotEnv, text: str, known: Collection[str]) -> None:
    from dotenv.parser import parse_stream  # noqa: PLC0415  only where there is a file

    for binding in parse_stream(io.StringIO(text)):
        written = binding.original.string
        # the parser counts from the blank lines before it
        blank = written[: len(written) - len(written.lstrip())]
        line = binding.original.line + len(_NEWLINE.findall(blank))
        problem = _problem(file, binding, known) if binding.error or binding.key is not None else None
        if problem is not None:
            file.problems.append(f"{file.path}, line {line}: {problem}.")
        elif binding.key is not None and binding.value is not None:
            name, value = binding.key.lower(), binding.value
            quote = _quote(written)
            if "${" in value and quote != "'" and name in known:
                file.expanding.append(binding.key)
            if value.strip():
                file.names.append(binding.key)
            file.values[name] = Quoted(value) if quote else value
            file.lines[name] = line


def _quote(written: str) -> str:
    match = _PARTS.match(written)
    first = match[3][:1] if match else ""
    return first if first in _WORDS else ""


def _problem(file: DotEnv, binding: Binding, known: Collection[str]) -> str | None:
    """Return what is wrong with a line, or None; shows nothing of the line but names of settings."""
    match = _PARTS.match(binding.original.string)
    name, equals, value = (match[1] or "", match[2], match[3]) if match else ("", "", "")
    name = name.strip("'")
    shown = name if name.lower() in known else "the name"
    if not name:
        return "no name stands before the =; write NAME=value"
    if not equals:
        if not binding.error and name.isupper() and name.lower() not in known:
            return None  # another program's variable, which docker passes on
        return f"no = follows {shown}; write NAME=value"
    if binding.error:
        return _broken(shown if shown == name else "the value", value)
    foreign = _FOREIGN.fullmatch(name)  # as in a shell, YAML or JSON, where it would set nothing
    if foreign and foreign[1] != name and foreign[1].lower() in known:
        return (
            f"something stands before or behind the name {foreign[1]}; write {foreign[1]}=value, or begin a comment "
            "with #"
        )
    if name.lower() not in known or binding.value is None:
        return None
    return _doubtful(file, name, binding.value, known)


def _broken(whose: str, value: str) -> str:
    quote = value[:1]
    if quote not in _WORDS:
        return "it is not of the form NAME=value"
    if _CLOSED[quote].match(value) is None:
        return f"{whose} begins with a {_WORDS[quote]} quote that does not end"
    other = "'" if quote == '"' else '"'
    return (
        f"something follows the second {_WORDS[quote]} quote of {whose}; put {_WORDS[other]} quotes around the whole "
        f"value, or write \\{quote} inside it"
    )


def _doubtful(file: DotEnv, name: str, value: str, known: Collection[str]) -> str | None:
    """Return what is probably wrong with a line that the parser accepts, or None."""
    before = file.values.get(name.lower())
    if before and before != value:  # an empty placeholder may be followed by the value
        return f"{name} stands in line {file.lines[name.lower()]} too, with another value; keep one"
    inside = next((other for other in _ASSIGNED.findall(value) if other.lower() in known), None)
    if inside is not None:
        return f"the quote that {name} begins with does not end before the line of {inside}"
    if name.lower().endswith("_json") and value.strip():
        try:
            orjson.loads(value)
        except orjson.JSONDecodeError as error:
            where = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
            return (
                f"{name} is not JSON ({where} of the value); write it on one line, in single quotes, like "
                '\'{"hunting": ["KEY"], "tracking": ["KEY"]}\''
            )
    return None
