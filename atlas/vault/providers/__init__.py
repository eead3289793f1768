"""Where an archive can be stored, one module per provider."""
