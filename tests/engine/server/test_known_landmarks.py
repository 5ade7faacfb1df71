"""Of which images the landmarks are known, and which of them are proposed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.server.known_landmarks import HANDLE_LANDMARKS, visible_landmarks


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("critters-128", "cpu")


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_visible_landmarks_of_a_seed_are_known(model: Model, seed: int) -> None:
    landmarks = landmarks_of_seed(seed, 128)
    points = visible_landmarks(model, LatentRef(seed=seed))
    assert set(points) <= {landmarks[landmark_name] for landmark_name in HANDLE_LANDMARKS}
    assert points[0] == landmarks["nose_tip"]
    assert all(-0.5 <= coordinate <= 127.5 for point in points for coordinate in point)


def test_hidden_landmarks_are_left_out(model: Model) -> None:
    counts = {len(visible_landmarks(model, LatentRef(seed=seed))) for seed in range(20)}
    assert max(counts) <= len(HANDLE_LANDMARKS) and len(counts) > 1


@pytest.mark.parametrize(
    "source",
    [
        LatentRef(seed=42, psi=0.7),
        LatentRef(seed=42, from_file=True),
        LatentRef(seed=42, drag=1),
        LatentRef(seed=42, drag=1, step=3),
    ],
)
def test_landmarks_of_other_images_are_not_known(model: Model, source: LatentRef) -> None:
    assert visible_landmarks(model, source) == ()


def test_landmarks_of_other_models_are_not_known(model: Model) -> None:
    other_model = replace(model, info=model.info.model_copy(update={"sha256": "0" * 64}))
    assert visible_landmarks(other_model, LatentRef(seed=42)) == ()
