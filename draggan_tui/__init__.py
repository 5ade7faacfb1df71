"""The terminal editor."""

import os

# Before pydantic's first model, which typer makes: it would look through all that is installed for plugins of its own.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

__version__ = "0.1.0"
DEFAULT_MODEL = "auto"
"""Of the editor: the bundled model that suits the machine; the engine decides."""
SCRIPT_MODEL = "critters-256"
"""Of commands without a screen: pixels named in a script mean the same on every machine."""
