"""What a critter looks like and where its landmarks are. Drawing one needs numba (extra `train`)."""
