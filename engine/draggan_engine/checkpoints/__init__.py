"""Model files in the wild → networks that are ready; nothing that a file carries is ever run."""

from .catalogue import Model, bundled_models, load_model
from .devices import devices, resolve_device
from .native import save_native

__all__ = ["Model", "bundled_models", "devices", "load_model", "resolve_device", "save_native"]
