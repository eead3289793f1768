"""What agents import by the mission's names."""

from atlas.keyring import KeyRing

__all__ = ["KeyRing"]
