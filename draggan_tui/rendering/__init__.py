"""Pixels to terminal cells: pure functions over numpy arrays, and the strip that carries their result."""
