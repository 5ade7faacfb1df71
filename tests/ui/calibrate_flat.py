"""How well `texture.FLAT` tells landmarks of the bundled model from its backdrops: `python tests/ui/calibrate_flat.py`."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from PIL import Image

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.geometry import Point
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.networks.generate import latent_of_seed, picture
from draggan_tui.editor.flatness import FLAT, texture

SEEDS = range(40)
PREVIEWS = (44, 96, 128)
# Those that are seen in every pose, by what they are.
LANDMARKS = ("nose_tip", "eye_left", "eye_right", "mouth_left", "mouth_right", "mouth_top", "mouth_bottom")
EARS = ("ear_tip_left", "ear_tip_right")


def points_of(seed: int) -> dict[str, list[Point]]:
    """Landmarks, and ten random points of the backdrop: at the upper left and right, where head and body do not come, and
    more than 20 px from the tips of the ears."""
    landmarks = landmarks_of_seed(seed, 128)
    random = np.random.RandomState(seed)
    backdrop: list[Point] = []
    while len(backdrop) < 10:
        x, y = random.uniform((-20, 0), (20, 64))
        x %= 127
        if all(np.hypot(x - a, y - b) > 20 for a, b in (landmarks[name] for name in EARS)):
            backdrop.append((x, y))
    return {
        "eyes, nose, mouth": [landmarks[name] for name in LANDMARKS],
        "ear tips": [landmarks[name] for name in EARS],
        "backdrop": backdrop,
    }


def main() -> None:
    model = load_model("critters-128", "cpu")
    pictures = [Image.fromarray(picture(model.generator, latent_of_seed(model.generator, seed, 1.0))) for seed in SEEDS]
    print(f"FLAT = {FLAT}, r2 = {model.info.settings.r2:g} px, {len(SEEDS)} seeds")
    for side in PREVIEWS:
        values: dict[str, list[float]] = defaultdict(list)
        for seed, whole in zip(SEEDS, pictures, strict=True):
            preview = np.asarray(whole.resize((side, side), Image.Resampling.BOX))
            for name, points in points_of(seed).items():
                values[name] += [texture(preview, point, model.info.settings.r2, model.info.size) for point in points]
        for name, found in values.items():
            flat = sum(value < FLAT for value in found)
            spread = ", ".join(f"{value:.4f}" for value in np.percentile(found, (0, 5, 50, 95, 100)))
            print(f"{side:4} px  {name:18} {flat:3} of {len(found)} flat   least, 5 %, half, 95 %, most: {spread}")


if __name__ == "__main__":
    main()
