"""The figures that are measured on each case of a chunk, by their names in `rows.jsonl`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.networks.w_statistics import w_statistics

from .cases import EvaluationCase, landmark_cases
from .detectors import Detector
from .edit_runs import EditResult
from .metrics import change_by_mask, dragging_accuracy, feature_distance, feature_function, lpips, mse, ssim
from .variants import DAI_RADII, Experiment, Method


def edit_costs(method: Method, edit_results: Sequence[EditResult]) -> list[dict[str, float]]:
    """Return steps and seconds of each edit, and whether it reached its targets, as far as the method knows them."""
    figures_by_case: list[dict[str, float]] = []
    for edit_result in edit_results:
        case_figures = (
            {"steps": float(edit_result.steps), "seconds": edit_result.seconds} if method is not Method.NO_EDIT else {}
        )
        if edit_result.reached is not None:
            case_figures["reached"] = float(edit_result.reached)
        figures_by_case.append(case_figures)
    return figures_by_case


def add_latent_lengths(
    figures_by_case: Sequence[dict[str, float]],
    model: Model,
    evaluation_cases: Sequence[EvaluationCase],
    edit_results: Sequence[EditResult],
    moved_rows: int,
) -> None:
    """Add how far each edit has moved the first rows of its latent: the Mahalanobis length under the covariance of w."""
    start_ws = torch.cat([case.drag.ws for case in evaluation_cases]).to(model.generator.device)
    end_ws = torch.cat([edit_result.ws for edit_result in edit_results]).to(model.generator.device)
    lengths = w_statistics(model.generator.mapping).lengths((end_ws - start_ws)[:, :moved_rows])
    for case_figures, length in zip(figures_by_case, lengths.tolist(), strict=True):
        case_figures["sigma"] = length


def add_return_costs(figures_by_case: Sequence[dict[str, float]], return_results: Sequence[EditResult]) -> None:
    """Add the costs of the way back to those of the way there. A cycle has reached its end if both ways have."""
    for case_figures, return_result in zip(figures_by_case, return_results, strict=True):
        case_figures["steps"] += return_result.steps
        case_figures["seconds"] += return_result.seconds
        if "reached" in case_figures:
            case_figures["reached"] = min(case_figures["reached"], float(bool(return_result.reached)))


def add_image_distances(
    figures_by_case: Sequence[dict[str, float]], model: Model, images_after: Tensor, goal_images: Tensor
) -> None:
    """Add how far each edited image is from the image that it should become."""
    values_by_figure = {"mse": mse(images_after, goal_images), "ssim": ssim(images_after, goal_images)}
    if (features_of := feature_function(model)) is not None:
        values_by_figure["features"] = feature_distance(features_of(images_after), features_of(goal_images))
    if (lpips_distance := lpips()) is not None:
        values_by_figure["lpips"] = lpips_distance(images_after, goal_images)
    for i, case_figures in enumerate(figures_by_case):
        case_figures.update(
            {figure_name: float(figure_values[i]) for figure_name, figure_values in values_by_figure.items()}
        )


def add_landmark_figures(
    figures_by_case: Sequence[dict[str, float]],
    detector: Detector,
    evaluation_cases: Sequence[EvaluationCase],
    images_before: Tensor,
    images_after: Tensor,
) -> None:
    """Add the mean distances of the detected landmarks to their targets, before and after the edit.

    An image in which no face is detected has no distance.
    """
    pixel_scale = images_before.shape[2] / 128
    points_before, points_after = (detector.detect(images) for images in (images_before, images_after))
    for i, (case, case_figures) in enumerate(zip(evaluation_cases, figures_by_case, strict=True)):
        landmark_indices = list(map(detector.landmark_names.index, case.landmark_names))
        targets = np.array([target for _, target in case.drag.pairs])
        for figure_name, points in (("md_start", points_before[i]), ("md", points_after[i])):
            mean_distance = float(np.linalg.norm(points[landmark_indices] - targets, axis=1).mean()) / pixel_scale
            if math.isfinite(mean_distance):
                case_figures[figure_name] = mean_distance
        if detector.knows_true_landmarks:  # then the handles are the true landmarks of the unedited image
            handles = np.array([handle for handle, _ in case.drag.pairs])
            landmark_errors = np.linalg.norm(points_before[i, landmark_indices] - handles, axis=1)
            case_figures["detector_error"] = float(landmark_errors.mean()) / pixel_scale
        if case.skipped_images:
            case_figures["skipped_images"] = float(case.skipped_images)


def add_dragging_accuracy(
    figures_by_case: Sequence[dict[str, float]],
    evaluation_cases: Sequence[EvaluationCase],
    images_before: Tensor,
    images_after: Tensor,
) -> None:
    """Add the dragging accuracy index for each radius."""
    for i, (case, case_figures) in enumerate(zip(evaluation_cases, figures_by_case, strict=True)):
        handles, targets = np.array(case.drag.pairs).swapaxes(0, 1)
        for radius in DAI_RADII:
            case_figures[f"dai_{radius}"] = dragging_accuracy(
                images_before[i], images_after[i], handles, targets, radius
            )


def add_mask_changes(
    figures_by_case: Sequence[dict[str, float]],
    model: Model,
    experiment: Experiment,
    evaluation_cases: Sequence[EvaluationCase],
    images_before: Tensor,
    images_after: Tensor,
) -> None:
    """Add the changes inside and outside each case's mask; in the mask experiment also for drags without one."""
    for i, (case, case_figures) in enumerate(zip(evaluation_cases, figures_by_case, strict=True)):
        mask = case.drag.mask
        if experiment == "mask" and mask is None:
            masked_case = next(itertools.islice(landmark_cases(model, 1, masked=True), case.number, None))
            mask = masked_case.drag.mask
        if mask is not None:
            change_inside, change_outside = change_by_mask(images_before[i], images_after[i], mask)
            case_figures["change_inside"], case_figures["change_outside"] = change_inside, change_outside
