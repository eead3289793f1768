"""The rows of the table, a module each: ``measure(runs, quick)`` returns its lines."""
