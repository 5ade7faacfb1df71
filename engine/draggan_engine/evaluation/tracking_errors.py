"""How far, at each step of a drag, the handles are from the content that they started on (paper, figure 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.networks.generate import generate_images, to_uint8

from .baselines.optical_flow import dis_flow, sample_flow
from .cases import EvaluationCase
from .edit_runs import EditResult
from .landmark_detector import detect_landmarks

MEASURED_STEPS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250, 300)
"""The steps at which the tracking error is measured."""


class TrackingErrors:
    """Measures, while a method runs, how far each handle is from its content (paper, figure 6).

    The content is where its landmark is detected or, if the landmarks are not known, where the optical flow from the
    first image leads.

    Attributes:
        curves: for each case (step, error in px of an image 128 px high).
    """

    def __init__(self, model: Model, evaluation_cases: Sequence[EvaluationCase], images_before: Tensor) -> None:
        self.model, self.cases = model, evaluation_cases
        self.images_before = [to_uint8(image[None]) for image in images_before]
        self.curves: list[list[tuple[int, float]]] = [[] for _ in evaluation_cases]

    def __call__(self, step: int, active_drags: Tensor, ws: Tensor, handles: Tensor) -> None:
        if step in MEASURED_STEPS:
            self._measure([step] * len(active_drags), active_drags, ws, handles[:, 0])

    def add_ends(self, edit_results: Sequence[EditResult]) -> None:
        """Add the last step of each drag, if it has not been measured."""
        late_drags = [i for i, edit_result in enumerate(edit_results) if edit_result.steps > self.curves[i][-1][0]]
        if late_drags:
            ws = torch.cat([edit_results[i].ws for i in late_drags])
            handles = torch.cat([edit_results[i].handles for i in late_drags])
            self._measure([edit_results[i].steps for i in late_drags], torch.tensor(late_drags), ws, handles)

    def _measure(self, measured_steps: Sequence[int], active_drags: Tensor, ws: Tensor, handles: Tensor) -> None:
        images = generate_images(self.model.generator, list(ws[:, None]))
        pixel_scale = self.model.generator.image_shape[0] / 128
        content_positions = self._content_positions(active_drags.tolist(), images)
        for step, i, handle, content_position in zip(
            measured_steps, active_drags.tolist(), handles.cpu().numpy(), content_positions, strict=True
        ):
            self.curves[i].append((step, float(np.linalg.norm(handle - content_position)) / pixel_scale))

    def _content_positions(self, active_drags: Sequence[int], images: Tensor) -> NDArray[np.float32]:
        if self.cases[0].landmark_names:
            points = detect_landmarks(images).points
            landmark_indices = [LANDMARKS.index(self.cases[i].landmark_names[0]) for i in active_drags]
            return points[np.arange(len(active_drags)), landmark_indices]
        content_positions = []
        for i, image in zip(active_drags, images, strict=True):
            handle = np.array(self.cases[i].drag.pairs[0][0], dtype=np.float32)
            optical_flow = dis_flow()(self.images_before[i], to_uint8(image[None]))
            content_positions.append(handle + sample_flow(optical_flow, handle))
        return np.array(content_positions, dtype=np.float32)


def curve_figures(error_curve: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Return the mean error over all steps and the error at the end; of no curve, no figures."""
    if not error_curve:
        return {}
    measured_steps, error_values = zip(*error_curve, strict=True)
    error_at_each_step = np.interp(np.arange(measured_steps[-1] + 1), measured_steps, error_values)
    return {"error_mean": float(error_at_each_step.mean()), "error_end": error_values[-1]}
