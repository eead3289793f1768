"""A local package index that has a newer release of some packages, and passes every other name through."""

from __future__ import annotations

import html
import re
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import urlopen


class Unreachable(Exception):
    """No package index can be reached from here."""


def configured_index() -> str:
    """Return the address of pip's index: the one that is configured, or pip's own. Raises Unreachable."""
    pip = (sys.executable, "-m", "pip")
    found = re.findall(r"^(?:global|install|:env:)\.index-url='(.+)'$", _output(*pip, "config", "list"), re.MULTILINE)
    found += re.findall(r"\(default\s+(https?://\S+?)\)", _output(*pip, "install", "--help"))
    address = found[0].rstrip("/") + "/"
    _read(f"{address}pip/")
    return address


def wheel(name: str, version: str, requires: tuple[str, ...] = (), extras: tuple[str, ...] = ()) -> bytes:
    """Return a wheel without content."""
    project, folder = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Provides-Extra: {each}" for each in extras]
    metadata += [f"Requires-Dist: {each}" for each in requires]
    files = {
        f"{project}.py": "",
        f"{folder}/METADATA": "\n".join(metadata) + "\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{folder}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{folder}/RECORD"])
    data = BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)  # without the time, so that its hash stays
    return data.getvalue()


@contextmanager
def package_index(wheels: Mapping[str, bytes], through: str | None = None) -> Iterator[str]:
    """Serve these wheels (file name → content) beside the releases of the index `through`. Yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, wheels, through)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple/"
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, wheels: Mapping[str, bytes], through: str | None, *rest: object) -> None:
        self._wheels, self._through = wheels, through
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "files" and name in self._wheels:
            return self._answer(self._wheels[name], "application/octet-stream")
        own = [file for file in self._wheels if file.split("-")[0] == name.replace("-", "_")]
        if kind == "simple" and own:
            return self._answer(self._page(name, own).encode(), "text/html")
        if kind == "simple" and self._through:
            self.send_response(302)
            self.send_header("Location", urljoin(self._through, f"{name}/"))
        else:
            self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def _page(self, name: str, own: list[str]) -> str:
        links = ""
        if self._through:
            address = urljoin(self._through, f"{name}/")
            page = _read(address)
            links = re.sub(
                r'href="([^"]+)"',
                lambda found: f'href="{html.escape(urljoin(address, html.unescape(found[1])))}"',
                "".join(re.findall(r"<a\b.*?</a>", page, re.DOTALL)),
            )
        links += "".join(f'<a href="/files/{file}">{file}</a>' for file in own)
        return f"<!DOCTYPE html><html><body>{links}</body></html>"

    def _answer(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
        pass


def _read(address: str) -> str:
    try:
        with urlopen(address, timeout=30, context=ssl.create_default_context()) as answer:
            return str(answer.read().decode())
    except (URLError, TimeoutError) as error:
        raise Unreachable(f"no package index can be reached: {error}") from error


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
