"""What Hunter, Tracker and Janitor are built from."""
