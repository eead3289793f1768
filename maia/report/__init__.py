"""The page of `maia report`: its data and encoding, and its HTML."""
