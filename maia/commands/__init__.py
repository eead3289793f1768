"""The commands of ``maia``, one module each."""
