"""The terminal editor."""

__version__ = "0.1.0"
DEFAULT_MODEL = "critters-128"
