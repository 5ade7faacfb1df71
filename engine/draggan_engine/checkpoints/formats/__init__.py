"""Readers of the checkpoint formats, one module each."""
