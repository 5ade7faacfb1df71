"""Free features that stand beside those of a generator in one of its blocks (hybrid refinement, arXiv 2301.12141)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .windows import MapWindow


@dataclass(frozen=True, eq=False)
class BlendTensors:
    """What a `FeatureBlend` is made of.

    Attributes:
        block_name: the block whose feature map is blended.
        mask: m, `[1, 1, h, w]` in 0…1; 1 = the generator's own features.
        features: φ, `[1, C, h, w]`.
        image: the same for the image of this block and all below it, `[1, image channels, h, w]`; None for networks
            whose blocks have no images.
    """

    block_name: str
    mask: Tensor
    features: Tensor
    image: Tensor | None

    def half(self) -> BlendTensors:
        """Return the same in float16."""
        image = None if self.image is None else self.image.half()
        return BlendTensors(self.block_name, self.mask.half(), self.features.half(), image)


class FeatureBlend(nn.Module):
    """Replaces the feature map F of a block by m·F + (1 − m)·φ, and its image in the same way."""

    mask: Tensor
    features: Tensor
    image: Tensor | None

    def __init__(self, tensors: BlendTensors) -> None:
        super().__init__()
        self.register_buffer("mask", tensors.mask)
        self.register_buffer("features", tensors.features)
        self.register_buffer("image", tensors.image)

    def blend_features(self, x: Tensor, window: MapWindow | None = None) -> Tensor:
        """Blend the features `[N, C, h, w]` of a window; None = the whole map."""
        return _blend(x, self.features, self.mask, window)

    def blend_image(self, image: Tensor) -> Tensor:
        """Blend the image `[N, image channels, h, w]`."""
        return image if self.image is None else _blend(image, self.image, self.mask, None)


def _blend(x: Tensor, free: Tensor, mask: Tensor, window: MapWindow | None) -> Tensor:
    if window is not None:
        free, mask = (t[..., window.top : window.bottom, window.left : window.right] for t in (free, mask))
    return torch.lerp(free.to(x.dtype), x, mask.to(x.dtype))  # exactly x where the mask is 1, and φ where it is 0
