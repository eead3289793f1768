"""The root of everything that Maia raises on purpose.

MaiaError
└── YouTubeError        what an answer of the YouTube Data API means (tree in `maia.youtube.errors`)

What the data layer raises has a root of its own, `atlas.errors.AtlasError`. A message says what happened, to which
thing, and what to do; it never holds a key, a token or a password.
"""

__all__ = ["MaiaError"]


class MaiaError(Exception):
    """Something went wrong in Maia in a way that the code foresaw."""
