"""The terminal editor."""

__version__ = "0.1.0"
