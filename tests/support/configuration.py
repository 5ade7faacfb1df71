"""Files of the user's configuration."""

from __future__ import annotations

from pathlib import Path


def write_config(directory: Path, text: str) -> Path:
    """Write the configuration file in the user's configuration directory, and return its path."""
    path = directory / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path
