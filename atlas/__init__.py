"""Atlas: everything of Project Pleiades that lasts."""
