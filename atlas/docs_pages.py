"""The addresses of the documentation of this release, for messages."""

from __future__ import annotations

__all__ = ["DISTRIBUTION", "page"]

DISTRIBUTION = "pleiades-maia"


def page(path: str) -> str:
    """Return the address of a page of docs/, such as ``page("configuration.md#keys")``.

    In a checkout that is not installed, return the path of the file.
    """
    from importlib.metadata import PackageNotFoundError, metadata  # noqa: PLC0415  few messages name a page

    try:
        found = metadata(DISTRIBUTION)
    except PackageNotFoundError:
        return f"docs/{path}"
    urls = dict(entry.split(", ", 1) for entry in found.get_all("Project-URL", []))
    return f"{urls['Source']}/blob/v{found['Version']}/docs/{path}" if "Source" in urls else f"docs/{path}"
