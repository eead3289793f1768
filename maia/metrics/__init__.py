"""Metrics for Prometheus: of an agent while it runs, and of what the database knows."""
