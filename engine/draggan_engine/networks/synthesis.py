"""The interface of synthesis networks: latents in, an image and named feature maps out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

NoiseMode = Literal["const", "none", "random"]


@dataclass(frozen=True)
class SynthesisResult:
    """The outputs of one forward pass, in the number type of the weights (float32 unless they were converted).

    Attributes:
        image: `[N, C, h, w]`, values in about [−1, 1]; None if no image was requested.
        features: feature maps `[N, channels, h, w]` by block name. A map covers exactly the image: its h × w features
            are the image on a grid of h × w (see `core.geometry`).
    """

    image: Tensor | None
    features: dict[str, Tensor] = field(default_factory=dict)


class SynthesisNetwork(nn.Module, ABC):
    """ws → image and feature maps.

    Attributes:
        block_names: the blocks or layers that have a feature map, in the order of computation ("b64", "L6_148_512").
        row_names: what each row of ws styles.
        image_shape: height and width of the image in pixels.
        image_heights: heights in which an image can be rendered, lowest first; the last is the full height.
        use_fp16: compute the levels that the file marks for float16 in float16, which is meant for accelerators; the
            results are float32 all the same.
    """

    block_names: tuple[str, ...]
    row_names: tuple[str, ...]
    image_shape: tuple[int, int]
    image_heights: tuple[int, ...]
    use_fp16: bool = False

    @abstractmethod
    def feature_height(self, name: str) -> int:
        """Return the height of this block's feature map, in pixels of the map."""

    @abstractmethod
    def forward(
        self, ws: Tensor, *, noise_mode: NoiseMode = "const", features: Sequence[str] = (), image: int | None = None
    ) -> SynthesisResult:
        """Compute from the lowest block upwards, only as far as the requested outputs need.

        Args:
            ws: `[N, num_ws, w_dim]`.
            noise_mode: "const" adds the stored noise, "none" no noise, "random" fresh noise. StyleGAN3 has no noise.
            features: names of the blocks whose feature maps are requested.
            image: height of the image, one of `image_heights`, or 0 for no image. None means the full height, or no
                image if features are requested.

        Raises:
            KeyError: the network has no such block, or no image of this height.
        """

    def resolve_image_height(self, features: Sequence[str], image: int | None) -> int:
        """Check two arguments of `forward` and return the height of the requested image, 0 for no image.

        Raises:
            KeyError: as `forward`.
        """
        height = (0 if features else self.image_heights[-1]) if image is None else image
        if unknown_names := set(features) - set(self.block_names):
            raise KeyError(
                f"there is no block {', '.join(sorted(unknown_names))}; there are {', '.join(self.block_names)}"
            )
        if height and height not in self.image_heights:
            raise KeyError(f"there is no image of height {height}; there are {', '.join(map(str, self.image_heights))}")
        return height
