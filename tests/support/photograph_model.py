"""A model that stands in for one of faces: its images are a photograph that w shifts, scales and turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.synthesis import NoiseMode, SynthesisNetwork, SynthesisResult

from .paths import FIXTURES
from .tiny_models import save_tiny

PHOTOGRAPH = FIXTURES / "photographs" / "astronaut.jpg"
IMAGE_SIZE, FEATURE_SIZE = 128, 64


def read_photograph(size: int) -> Tensor:
    """Return the photograph of a face, `[1, 3, size, size]` in −1…1."""
    with Image.open(PHOTOGRAPH) as photograph:
        pixels = np.asarray(photograph.convert("RGB").resize((size, size), Image.Resampling.BICUBIC), np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


class PhotographSynthesis(SynthesisNetwork):
    """The first row of ws moves the photograph. The last row, which drags do not change, blanks some images.

    An image is grey if the fifth component of its last row is not below `shown_below`.

    The features of a place are the smoothed colours of its neighbourhood.
    """

    block_names = ("b64",)
    row_names = tuple(f"row {i}" for i in range(12))
    image_shape = (IMAGE_SIZE, IMAGE_SIZE)
    image_heights = (IMAGE_SIZE,)

    def __init__(self, shown_below: float) -> None:
        super().__init__()
        self.shown_below = shown_below
        self.register_buffer("photograph", read_photograph(IMAGE_SIZE))
        smoothed = F.interpolate(F.avg_pool2d(read_photograph(IMAGE_SIZE), 5, 1, 2), size=FEATURE_SIZE, mode="area")
        padded = F.pad(smoothed, (4, 4, 4, 4), mode="replicate")
        neighbours = [padded[:, :, y : y + FEATURE_SIZE, x : x + FEATURE_SIZE] for y in (0, 4, 8) for x in (0, 4, 8)]
        self.register_buffer("features", torch.cat(neighbours, dim=1))

    def feature_height(self, name: str) -> int:
        assert name == "b64"
        return FEATURE_SIZE

    def forward(
        self,
        ws: Tensor,
        *,
        noise_mode: NoiseMode = "const",  # noqa: ARG002
        features: Sequence[str] = (),
        image: int | None = None,
    ) -> SynthesisResult:
        shift_x, shift_y, log_scale, angle = ws[:, 0, :4].unbind(dim=1)
        scale, angle = torch.exp(0.1 * log_scale), 0.1 * angle
        cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
        first_line = torch.stack([cosine, -sine, 0.12 * shift_x], dim=1)
        second_line = torch.stack([sine, cosine, 0.12 * shift_y], dim=1)
        transforms = torch.stack([first_line, second_line], dim=1)

        def transformed(map_to_move: Tensor) -> Tensor:
            count = len(ws)
            grid = F.affine_grid(transforms, [count, *map_to_move.shape[1:]], align_corners=False)
            return F.grid_sample(
                map_to_move.expand(count, -1, -1, -1), grid, padding_mode="border", align_corners=False
            )

        maps = {name: transformed(self.get_buffer("features")) for name in features}
        if not self.resolve_image_height(features, image):
            return SynthesisResult(None, maps)
        is_shown = ws[:, -1, 4] < self.shown_below
        return SynthesisResult(transformed(self.get_buffer("photograph")) * is_shown[:, None, None, None], maps)


def photograph_model(directory: Path, shown_below: float = 0.3) -> Model:
    """Return a model whose images are transformed copies of the photograph, or grey; see `PhotographSynthesis`."""
    torch.manual_seed(0)
    generator = Generator(
        StyleGAN2Config(resolution=IMAGE_SIZE, z_dim=8, w_dim=8, mapping_layers=1, channels=(8, 8, 8, 8, 8, 8))
    )
    generator.synthesis = PhotographSynthesis(shown_below)
    tiny_model = load_model(str(save_tiny(directory / "faces.safetensors")), "cpu")
    info = tiny_model.info.model_copy(
        update={
            "name": "faces", "width": IMAGE_SIZE, "height": IMAGE_SIZE, "num_ws": 12, "blocks": ("b64",), "psi": 1.0,
            "settings": DragSettings(feature_block="b64", r1=3, r2=8, step_size=0.05, max_steps=40),
        }
    )  # fmt: skip
    return replace(tiny_model, generator=generator.eval().requires_grad_(False), info=info)
