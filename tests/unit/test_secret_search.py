"""The finder of secrets finds them in every form in which they come to light, and nothing else."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import shlex
import string
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from ..support.child_processes import popen
from ..support.secret_search import SHORTEST, find_leaks, process_list

SECRET = "AIza\"Sy/9+q&ü-<3'x\\7@k Zr%4"
NOISE = "".join(random.Random(7).choices(string.printable, k=5_000))


def framed(text: str, width: int = 11) -> str:
    return "\n".join(f"│ \x1b[1;31m{text[i : i + width]}\x1b[0m │" for i in range(0, len(text), width))


FORMS = {
    "clear": SECRET,
    **{f"base64, {n} before": base64.b64encode(b"x" * n + SECRET.encode() + b"yz") for n in range(5)},
    "base64 of a header": base64.b64encode(f"user:{SECRET}".encode()),
    "base64 for URLs": base64.urlsafe_b64encode(b"ab" + SECRET.encode() + b"c"),
    "base64 in lines": base64.encodebytes(("x" * 50 + SECRET).encode()),
    "hex": SECRET.encode().hex(),
    "HEX": SECRET.encode().hex().upper(),
    "URL": urllib.parse.quote(SECRET, safe=""),
    "URL with slashes": urllib.parse.quote(SECRET),
    "form": urllib.parse.urlencode({"password": SECRET}),
    "URL in small letters": urllib.parse.quote(SECRET, safe="").replace("%C3%BC", "%c3%bc").replace("%2F", "%2f")
    .replace("%2B", "%2b").replace("%3C", "%3c").replace("%5C", "%5c"),
    "JSON": json.dumps({"a": SECRET}),
    "JSON, not only ASCII": json.dumps([SECRET], ensure_ascii=False),
    "JSON in JSON": json.dumps({"message": json.dumps({"error": SECRET})}),
    "HTML": html.escape(f"<b>{SECRET}</b>"),
    "repr": repr([SECRET]),
    "shell": shlex.join(["maia", SECRET]),
    "UTF-16": SECRET.encode("utf-16"),
    "in a table of the terminal": framed(SECRET),
    "in a table that holds no blanks": framed(SECRET).replace(" ", ""),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_any_form(form: str) -> None:
    shown = FORMS[form]
    data = shown if isinstance(shown, bytes) else shown.encode()
    (leak,) = {one.partition(":")[0] for one in find_leaks(NOISE.encode() + b"\n" + data + b"\n", {"a key": SECRET})}
    assert leak == "a key"


def test_a_leak_is_named_and_never_shown() -> None:
    (leak,) = find_leaks(b"..." + SECRET.encode(), {"a key": SECRET, "another": "never-written-1"})
    assert leak == f"a key: in clear, at byte 3 of {3 + len(SECRET.encode())}"
    with pytest.raises(ValueError, match="fewer than 12 characters") as caught:
        find_leaks(b"", {"a": "tooShort-1"})
    assert "tooShort-1" not in str(caught.value)


def test_nothing_is_found_where_there_is_nothing() -> None:
    words = {"a": SECRET, "b": SECRET[::-1], "c": "x" * SHORTEST}
    for data in (NOISE.encode(), b"", SECRET.encode()[:-1], base64.b64encode(SECRET.encode()[1:])):
        assert find_leaks(data, words) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc here")
def test_the_list_of_processes_has_what_stands_on_a_command_line() -> None:
    waits = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()", SECRET]
    with popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"  # for a moment after its start, a process has no command line
        found = find_leaks(process_list(), {"a key": SECRET})
        child.stdin.close()
    assert found


SUITE = """
import logging, pytest, sys
from {package}.support import fake_secrets as planted, secrets_plugin

def test_prints(): print("key:", planted.HUNTING[0])
def test_logs(): logging.getLogger("x").warning("%s", planted.HF_TOKEN.encode().hex())
def test_a_child(): secrets_plugin.shown("a child's output", b"nothing", planted.DATABASE_PASSWORD)
@pytest.mark.shows_secrets("on purpose")
def test_on_purpose(): print(planted.HUNTING[0])
def test_quiet(): print("nothing")
@pytest.fixture
def loud():
    yield
    print(planted.TRACKING[1], file=sys.stderr)
def test_late(loud): pass
"""


def test_a_test_that_shows_a_planted_secret_fails(tmp_path: Path) -> None:
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent
    (tmp_path / "test_it.py").write_text(SUITE.format(package=package.name))
    (tmp_path / "conftest.py").write_text(
        f"import sys\nsys.path.insert(0, {str(checkout)!r})\nfrom {package.name}.support import secrets_plugin\n"
        "def pytest_configure(config): config.pluginmanager.register(secrets_plugin)\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    found = re.findall(r"^(ERROR|FAILED) \S+::(\w+)", done.stdout, re.MULTILINE)
    assert sorted(found) == [
        ("ERROR", "test_late"), ("ERROR", "test_logs"), ("ERROR", "test_prints"), ("FAILED", "test_a_child"),
    ]  # fmt: skip
    assert "looked for 9 planted secrets in" in done.stdout
