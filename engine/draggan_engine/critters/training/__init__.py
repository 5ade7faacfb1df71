"""The training of the bundled models."""
