"""An image in a message."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from draggan_engine.core.frozen_model import FrozenModel


class ImageData(FrozenModel):
    """An image."""

    width: int
    height: int
    rgb: bytes = Field(description="uint8 [height, width, 3], row by row")

    @classmethod
    def from_array(cls, image_pixels: NDArray[np.uint8]) -> ImageData:
        """Return the message for an image `uint8 [height, width, 3]`."""
        height, width, _ = image_pixels.shape
        return cls(width=width, height=height, rgb=image_pixels.tobytes())

    def to_array(self) -> NDArray[np.uint8]:
        """Return the image as a read-only array `uint8 [height, width, 3]`."""
        return np.frombuffer(self.rgb, np.uint8).reshape(self.height, self.width, 3)
