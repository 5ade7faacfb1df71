"""The drag of Pan et al. (SIGGRAPH 2023): motion supervision and point tracking in turn."""
