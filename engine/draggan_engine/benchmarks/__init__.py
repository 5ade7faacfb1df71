"""The cost of a drag beside that of the reference drag."""
