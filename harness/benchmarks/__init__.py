"""Measurements, printed as one table: ``make bench``. Ratios within one run; the machine is stated."""
