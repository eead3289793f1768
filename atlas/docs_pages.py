"""Where the documentation of this release is, for the messages that name a page of it."""

from __future__ import annotations

__all__ = ["DISTRIBUTION", "page"]

DISTRIBUTION = "pleiades-maia"


def page(path: str) -> str:
    """Return the address of a page of docs/, such as ``page("configuration.md#keys")``.

    It is built from the metadata of the installed distribution. A checkout that is not installed has none: there, the
    file itself is named.
    """
    from importlib.metadata import PackageNotFoundError, metadata  # noqa: PLC0415  few messages name a page

    try:
        found = metadata(DISTRIBUTION)
    except PackageNotFoundError:
        return f"docs/{path}"
    urls = dict(entry.split(", ", 1) for entry in found.get_all("Project-URL", []))
    return f"{urls['Source']}/blob/v{found['Version']}/docs/{path}" if "Source" in urls else f"docs/{path}"
