"""The terminal editor."""

import os

# Before pydantic's first model, which typer makes: it would look through all that is installed for plugins of its own.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

__version__ = "0.1.0"
DEFAULT_MODEL = "auto"
"""The bundled model that suits the machine; the engine decides."""
