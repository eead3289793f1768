"""Typed models of API answers and of rows."""
