"""How well breakouts are detected and views are forecast, in seeded worlds whose truth is known."""
