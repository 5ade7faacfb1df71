"""A pin, a pair whose target is on its handle, holds its place while another pair moves."""

from __future__ import annotations

import numpy as np
import pytest

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragMethod
from draggan_engine.core.geometry import Point, distance
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop
from draggan_engine.networks.generate import generate_image, latent_of_seed


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("critters-128", "cpu")


@pytest.mark.parametrize(("method", "seed"), [("draggan", 2), ("draggan", 6), ("least-squares", 5)])
def test_a_pin_holds_its_place_while_another_pair_moves(model: Model, method: DragMethod, seed: int) -> None:
    settings = model.info.settings.model_copy(update={"method": method})
    landmarks = landmarks_of_seed(seed, 128)
    nose, ear = (tuple(map(float, landmarks[name])) for name in ("nose_tip", "ear_tip_left"))
    nose_pair = (nose, (nose[0] + 12, nose[1]))
    start_ws = latent_of_seed(model.generator, seed, 1.0)
    x, y = round(ear[0]), round(ear[1])
    ear_region = np.s_[max(y - 6, 0) : y + 7, max(x - 6, 0) : x + 7]

    def drag(*pairs: tuple[Point, Point]) -> tuple[DragEnd, float]:
        """Return how the drag ends, and how much the region of the ear has changed, in levels of 255."""
        *_, end = DragLoop(model.generator, start_ws, pairs, None, settings).steps()
        assert isinstance(end, DragEnd)
        before, after = (generate_image(model.generator, ws)[ear_region].astype(float) for ws in (start_ws, end.ws))
        return end, float(np.abs(after - before).mean())

    _, change_without_pin = drag(nose_pair)
    end, change_with_pin = drag(nose_pair, (ear, ear))
    assert end.reason == "reached"
    assert distance(end.handles[0], nose_pair[1]) <= 1 and distance(end.handles[1], ear) <= 1
    assert change_with_pin < change_without_pin / 2
