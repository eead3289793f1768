"""``python -m harness.benchmarks.image``: how large the image is, what it is made of, and what was left out of it."""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import zlib
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.support.docker_engine import Docker

SMALL = 2_000_000  # bytes; what is below has no row of its own


def contents(docker: Docker, image: str) -> dict[str, dict[str, int]]:
    """What the script beside this one says of the image."""
    script = Path(__file__).with_name("image_contents.py").read_text(encoding="utf-8")
    found: dict[str, dict[str, int]] = json.loads(
        docker("run", "--rm", "--network", "none", image, "python", "-c", script)
    )
    return found


def inspect(docker: Docker, image: str) -> dict[str, Any]:
    (found,) = json.loads(docker("image", "inspect", image))
    return dict(found)


def compressed(image: str) -> int:
    """Bytes that a registry would send for it, as gzip makes them."""
    packer, size = zlib.compressobj(wbits=31), 0
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(1 << 20):
            size += len(packer.compress(chunk))
    return size + len(packer.flush())


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def main(image: str, base: str, *, pack: bool) -> None:
    docker = Docker()
    whole, below = inspect(docker, image), inspect(docker, base)
    ours = whole["Size"] - below["Size"]
    found = contents(docker, image)
    console = Console()
    console.print(f"{image}, {whole['Os']}/{whole['Architecture']}")
    table = Table("size", "MB", "compressed, MB")
    packed = [compressed(base), compressed(image)] if pack else []
    if pack:
        packed.insert(1, packed[1] - packed[0])
    for what, size, sent in itertools.zip_longest(
        (f"the base, {base}", "the layers of Maia", "both"), (below["Size"], ours, whole["Size"]), packed
    ):
        table.add_row(what, megabytes(size), "" if sent is None else megabytes(sent))
    console.print(table)
    table = Table("what the layers of Maia hold", "MB")
    large = {what: size for what, size in found["there"].items() if size >= SMALL}
    for what, size in sorted(large.items(), key=lambda item: -item[1]):
        table.add_row(what, megabytes(size))
    table.add_row(f"{len(found['there']) - len(large)} smaller packages", megabytes(ours - sum(large.values())))
    console.print(table)
    table = Table("what was left out", "MB")
    for what, size in sorted(found["dropped"].items(), key=lambda item: -item[1]):
        table.add_row(what, megabytes(size))
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.image", description=__doc__)
    parser.add_argument("--image", default="pleiades-maia:latest", help="the image; build it first")
    parser.add_argument("--base", default="python:3.13-slim-trixie", help="what it was built on")
    parser.add_argument("--compressed", action=argparse.BooleanOptionalAction, default=True, help="slow: packs it all")
    given = parser.parse_args()
    main(given.image, given.base, pack=given.compressed)
