"""Which patches of an image are flat."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.geometry import Size
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_tui.editor.flatness import is_flat, texture
from scripts.calibrate_flatness import points_of_seed

IMAGE_SIZE = Size(128, 128)


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_one_colour_and_even_shading_are_flat_edges_and_spots_are_not() -> None:
    rows, columns = np.indices((64, 64))
    assert texture(grey(np.full((64, 64), 90)), (60, 60), 10, IMAGE_SIZE) < 1e-9
    assert is_flat(grey(columns + 2 * rows), (60, 60), 10, IMAGE_SIZE)
    edge = grey(np.where(columns < 30, 90, 110))
    assert not is_flat(edge, (60, 60), 10, IMAGE_SIZE)
    assert is_flat(edge, (100, 60), 10, IMAGE_SIZE)
    spot = grey(np.full((64, 64), 90))
    spot[30, 30] = (255, 90, 90)
    assert not is_flat(spot, (61, 61), 10, IMAGE_SIZE)
    assert is_flat(spot, (61, 80), 10, IMAGE_SIZE)


@pytest.mark.parametrize("point", [(0, 0), (127, 127), (0, 127), (127, 60)])
def test_flatness_at_the_borders(point: tuple[float, float]) -> None:
    generate_image = grey(np.indices((44, 44)).sum(axis=0) % 2 * 255)
    assert not is_flat(generate_image, point, 1, IMAGE_SIZE)
    assert is_flat(grey(np.zeros((44, 44))), point, 300, IMAGE_SIZE)


def test_the_bundled_models_landmarks_and_backdrops() -> None:
    """A few of the seeds that `scripts/calibrate_flatness.py` measures."""
    model = load_model("critters-128", "cpu")
    backdrop = 0
    for seed in (0, 7, 39):
        whole = Image.fromarray(generate_image(model.generator, latent_of_seed(model.generator, seed, 1.0)))
        preview = np.asarray(whole.resize((44, 44), Image.Resampling.BOX))
        flat_shares = {
            name: [is_flat(preview, point, model.info.settings.r2, model.info.size) for point in points]
            for name, points in points_of_seed(seed).items()
        }
        assert not any(flat_shares["eyes, nose, mouth"] + flat_shares["ear tips"])
        backdrop += sum(flat_shares["backdrop"])
    assert backdrop >= 27, "of 30; the others have an ear in their square"
