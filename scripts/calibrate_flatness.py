"""Show how well `flatness.FLATNESS_LIMIT` separates landmarks of the bundled model from its backdrops.

python scripts/calibrate_flatness.py
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from PIL import Image

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.geometry import Point
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_tui.editor.flatness import FLATNESS_LIMIT, texture

SEEDS = range(40)
PREVIEW_SIDES = (44, 96, 128)
VISIBLE_LANDMARKS = ("nose_tip", "eye_left", "eye_right", "mouth_left", "mouth_right", "mouth_top", "mouth_bottom")
EAR_TIPS = ("ear_tip_left", "ear_tip_right")


def points_of_seed(seed: int) -> dict[str, list[Point]]:
    """Return landmarks that are visible in every pose, and ten random points of the backdrop, by kind.

    The backdrop's points lie in the upper left and upper right, where head and body do not reach, and more than 20 px
    from the tips of the ears.
    """
    landmarks = landmarks_of_seed(seed, 128)
    random = np.random.RandomState(seed)
    backdrop: list[Point] = []
    while len(backdrop) < 10:
        x, y = random.uniform((-20, 0), (20, 64))
        x %= 127
        if all(np.hypot(x - ear_x, y - ear_y) > 20 for ear_x, ear_y in (landmarks[name] for name in EAR_TIPS)):
            backdrop.append((x, y))
    return {
        "eyes, nose, mouth": [landmarks[name] for name in VISIBLE_LANDMARKS],
        "ear tips": [landmarks[name] for name in EAR_TIPS],
        "backdrop": backdrop,
    }


def main() -> None:
    model = load_model("critters-128", "cpu")
    images = [
        Image.fromarray(generate_image(model.generator, latent_of_seed(model.generator, seed, 1.0))) for seed in SEEDS
    ]
    radius = model.info.settings.r2
    print(f"FLATNESS_LIMIT = {FLATNESS_LIMIT}, r2 = {radius:g} px, {len(SEEDS)} seeds")
    for side in PREVIEW_SIDES:
        textures: dict[str, list[float]] = defaultdict(list)
        for seed, image in zip(SEEDS, images, strict=True):
            preview = np.asarray(image.resize((side, side), Image.Resampling.BOX))
            for kind, points in points_of_seed(seed).items():
                textures[kind] += [texture(preview, point, radius, model.info.size) for point in points]
        for kind, values in textures.items():
            flat_count = sum(value < FLATNESS_LIMIT for value in values)
            percentiles = ", ".join(f"{value:.4f}" for value in np.percentile(values, (0, 5, 50, 95, 100)))
            print(
                f"{side:4} px  {kind:18} {flat_count:3} of {len(values)} flat   min, 5 %, median, 95 %, max: {percentiles}"
            )


if __name__ == "__main__":
    main()
