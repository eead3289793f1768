"""How a process starts, logs, shuts down and reports its end."""
