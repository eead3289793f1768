"""What the input `command` can ask for."""
