"""The root of the errors that Maia raises on purpose.

MaiaError
├── Unconfirmed         the run would delete more than its bound without `--yes`; the process ends with 2
└── YouTubeError        the meaning of an answer of the YouTube Data API (tree in `maia.youtube.errors`)

What the data layer raises has a root of its own, `atlas.errors.AtlasError`. A message says what happened, to which
thing, and what to do; it never holds a key, a token or a password.
"""

__all__ = ["MaiaError", "Unconfirmed"]


class MaiaError(Exception):
    """An error of Maia that the code expects."""


class Unconfirmed(MaiaError):
    """A run would delete more than its bound, and was not given `--yes`. Nothing was deleted."""
