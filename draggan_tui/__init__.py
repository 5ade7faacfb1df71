"""The terminal editor."""

import os
from typing import Final

# Otherwise pydantic searches all installed packages for plugins when its first model is defined, here and in the engine.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

__version__ = "0.1.0"
DEFAULT_MODEL = "auto"
"""The editor's model: the engine chooses the bundled one that suits the machine."""
SCRIPT_MODEL = "critters-256"
"""The model of commands without a screen, fixed so that coordinates in a script mean the same on every machine."""
DEFAULT_INVERSION_METHOD: Final = "hybrid"
DEFAULT_INVERSION_STEPS = 150
"""How photographs are inverted unless a user chooses otherwise."""
