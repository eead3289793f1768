"""Fault runs, load runs and benchmarks. Not part of the wheel."""
