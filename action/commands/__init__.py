"""The values of the input `command`."""
