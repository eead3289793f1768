"""The root of everything that Maia raises on purpose.

MaiaError
├── Unconfirmed         what was asked for deletes more than a run may without `--yes`; the process ends with 2
└── YouTubeError        what an answer of the YouTube Data API means (tree in `maia.youtube.errors`)

What the data layer raises has a root of its own, `atlas.errors.AtlasError`. A message says what happened, to which
thing, and what to do; it never holds a key, a token or a password.
"""

__all__ = ["MaiaError", "Unconfirmed"]


class MaiaError(Exception):
    """Something went wrong in Maia in a way that the code foresaw."""


class Unconfirmed(MaiaError):
    """A run would delete more than its bound, and was not given `--yes`. Nothing was deleted."""
