"""The latent that a session starts from instead of a seed, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileLatent:
    """
    Attributes:
        name: of the photograph whose inversion has found the latent, or of the file that it was read from; empty: not known.
        is_inversion: whether the latent was found for a photograph.
    """

    name: str = ""
    is_inversion: bool = False

    def __str__(self) -> str:
        """Return `me.jpg inverted`, `latent from pivot.pt` or `latent from a file`."""
        return f"{self.name} inverted" if self.is_inversion else f"latent from {self.name or 'a file'}"


UNKNOWN_LATENT = FileLatent()
