"""Maia: the stateless agents of Project Pleiades."""

__version__ = "1.0.0"
