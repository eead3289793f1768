"""Maia: the stateless agents of Project Pleiades."""

__version__ = "0.1.0"
