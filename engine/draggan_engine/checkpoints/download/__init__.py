"""Downloads of checkpoints."""
