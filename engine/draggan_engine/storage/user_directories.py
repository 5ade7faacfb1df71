"""Where the program keeps its own files, by the XDG standard. The directories need not exist."""

from __future__ import annotations

from pathlib import Path

import platformdirs

APPLICATION = "draggan-tui"
"""The name of the program's directories."""


def config_directory() -> Path:
    """Return where the user's configuration and themes are."""
    return platformdirs.user_config_path(APPLICATION)


def data_directory() -> Path:
    """Return where the user's models are."""
    return platformdirs.user_data_path(APPLICATION)


def cache_directory() -> Path:
    """Return where files are that can be made again."""
    return platformdirs.user_cache_path(APPLICATION)


def state_directory() -> Path:
    """Return where the list of sessions and other small state is."""
    return platformdirs.user_state_path(APPLICATION)


def log_directory() -> Path:
    """Return where the log is."""
    return platformdirs.user_log_path(APPLICATION)
