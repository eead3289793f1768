"""`KeyRing` under its documented path."""

from atlas.keyring import KeyRing

__all__ = ["KeyRing"]
