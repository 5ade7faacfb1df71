"""What the drag asks of a generator, whatever its family: ws in, picture and named feature maps out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

NoiseMode = Literal["const", "none", "random"]


@dataclass(frozen=True)
class SynthesisResult:
    """What a pass gave: the picture `[N, C, h, w]` in about [−1, 1] (None if not asked for) and the
    feature maps `[N, channels, h, w]` by block name, float32. Each map shows exactly the picture: a map of
    h × w is the picture on a grid of h × w (`protocol.geometry`)."""

    image: Tensor | None
    features: dict[str, Tensor] = field(default_factory=dict)


class SynthesisNetwork(nn.Module, ABC):
    """ws → picture and feature maps.

    Attributes:
        block_names: what has a feature map, in the order of computation ("b64", "L6_148_512").
        row_names: what each row of ws styles.
        image_heights: heights in which the picture can be had, lowest first; the last is the full one.
        use_fp16: compute the levels that the file has for float16 in float16 (for accelerators); the results are
            float32 all the same.
    """

    block_names: tuple[str, ...]
    row_names: tuple[str, ...]
    image_heights: tuple[int, ...]
    use_fp16: bool = False

    @abstractmethod
    def feature_height(self, name: str) -> int:
        """Height of that block's feature map, in pixels of its own."""

    @abstractmethod
    def forward(
        self, ws: Tensor, *, noise_mode: NoiseMode = "const", features: Sequence[str] = (), image: int | None = None
    ) -> SynthesisResult:
        """Computes from the lowest block upwards, only as far as what is asked for needs.

        Args:
            ws: `[N, num_ws, w_dim]`.
            noise_mode: stored noise, none, or fresh noise; StyleGAN3 has no noise.
            features: names of the blocks whose feature maps are wanted.
            image: height of the picture, one of `image_heights`, or 0 for none. None means the full one, or
                none where only features are asked for.

        Raises:
            KeyError: a block or a height that the network does not have.
        """

    def wanted(self, features: Sequence[str], image: int | None) -> int:
        """The height that `image` stands for, 0 for none; checks both arguments of `forward`.

        Raises:
            KeyError: as `forward`.
        """
        height = (0 if features else self.image_heights[-1]) if image is None else image
        if unknown := set(features) - set(self.block_names):
            raise KeyError(f"no block {', '.join(sorted(unknown))}; there are {', '.join(self.block_names)}")
        if height and height not in self.image_heights:
            raise KeyError(f"no picture of height {height}; there are {self.image_heights}")
        return height
