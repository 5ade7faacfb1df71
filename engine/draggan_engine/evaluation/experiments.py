"""The paper's experiments: the chunks of cases that a run consists of, and the figures that are measured on each case."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import SETTINGS_WITHOUT_EFFECT, DragMethod, DragSettings
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.motion_supervision import AveragedMaskLoss, ExactMaskLoss
from draggan_engine.networks.generate import generate_images, to_uint8

from .case_figures import (
    add_dragging_accuracy,
    add_image_distances,
    add_landmark_figures,
    add_latent_lengths,
    add_mask_changes,
    add_return_costs,
    edit_costs,
)
from .cases import EvaluationCase, landmark_cases, paired_cases, tracking_cases
from .detectors import DETECTORS
from .edit_runs import EditFunction, EditResult
from .face_cases import face_case
from .inception import load_inception, why_no_inception
from .methods import METHODS, Drag
from .metrics import feature_function
from .run_directory import THUMBNAIL_SIZE, ChunkImages, Request, Row
from .tracking_errors import TrackingErrors, curve_figures
from .variant_names import ablation_variant, variant_name
from .variants import (
    BFLOAT16,
    DRAG_METHODS,
    DetectorName,
    Experiment,
    MaskUse,
    Method,
    SettingChange,
    SettingValue,
    Variant,
)

LANDMARK_COUNTS = (1, 5, 68)
PAIRED_STEPS = 100  # the paper's
ABLATED_METHODS: Mapping[Method, DragMethod] = {Method.DRAG: "draggan", Method.LEAST_SQUARES: "least-squares"}
"""The methods whose settings the ablations change, with their names in the settings of a drag."""
ABLATIONS_OF_THE_PAPERS_METHOD = ("tracking_block", "precision")
"""Least squares tracks in the features that it moves, and needs the digits of float32."""
BATCHED_CASES = 16
"""How many cases of one to five points advance together."""
BATCHED_CASES_OF_MANY_POINTS = 8
EXPERIMENTS_WITHOUT_LANDMARKS: tuple[Experiment, ...] = ("paired", "tracking", "cycle")
EXPERIMENTS_WITH_FACES: tuple[Experiment, ...] = ("landmarks", "paired", "ablation", "tracking", "cycle")
"""A mask of a head needs landmarks that dlib does not find."""


@dataclass(frozen=True)
class Task:
    """A chunk: some cases of a variant on which one method runs.

    Attributes:
        first: the number of the first case.
        size: how many cases there are.
        settings: with the variant's change.
        detector: finds the landmarks of images.
    """

    experiment: Experiment
    variant: Variant
    method: Method
    first: int
    size: int
    settings: DragSettings
    detector: DetectorName = "critters"

    @property
    def chunk(self) -> str:
        return f"{self.experiment}/{variant_name(self.experiment, self.variant)}/{self.method}/{self.first:05d}"

    @property
    def edit(self) -> EditFunction:
        if self.method is not Method.DRAG:
            return METHODS[self.method]
        mask_loss_type = ExactMaskLoss if self.variant.mask is MaskUse.IMAGE else AveragedMaskLoss
        return Drag(self.variant.tracking_block, mask_loss_type)


def tasks(request: Request, info: ModelInfo, *, bfloat16: bool = True) -> Iterator[Task]:
    """Return the chunks of a run, in the order in which they run: within an experiment, every method has early chunks.

    Args:
        bfloat16: whether the device can run the ablation of the precision.
    """
    for experiment in request.experiments:
        for variant in _variants(experiment, request.settings, info):
            if variant.change == BFLOAT16 and not bfloat16:
                continue
            if request.detector == "dlib" and variant.mask is not MaskUse.NONE:
                continue
            settings = variant.apply_to(request.settings)
            if experiment == "paired":
                settings = settings.model_copy(update={"max_steps": min(PAIRED_STEPS, settings.max_steps)})
            chunk_size = BATCHED_CASES if variant.points <= 5 else BATCHED_CASES_OF_MANY_POINTS
            for first_case in range(0, request.n, chunk_size):
                for method in _methods(experiment, variant, request.methods):
                    yield Task(
                        experiment, variant, method, first_case, min(chunk_size, request.n - first_case), settings,
                        request.detector,
                    )  # fmt: skip


def _methods(experiment: Experiment, variant: Variant, methods: Sequence[Method]) -> Sequence[Method]:
    if experiment == "ablation":
        ablated_methods = [method for method in ABLATED_METHODS if method in methods] or [Method.DRAG]
        return [method for method in ablated_methods if _has_effect(variant, method)]
    if variant.mask is MaskUse.IMAGE:  # only the paper's method has this term
        return (Method.DRAG,)
    if experiment == "mask":
        return [method for method in DRAG_METHODS if method is Method.DRAG or method in methods]
    if experiment in ("tracking", "cycle"):  # they say nothing about an image that is not edited
        return [method for method in methods if method is not Method.NO_EDIT]
    return methods


def _has_effect(variant: Variant, method: Method) -> bool:
    """Return whether the variant's change, if it has one, makes a difference to a method of `ABLATED_METHODS`."""
    if variant.change is None:
        return True
    setting = variant.change.setting
    if setting in ABLATIONS_OF_THE_PAPERS_METHOD:
        return method is Method.DRAG
    return setting not in SETTINGS_WITHOUT_EFFECT[ABLATED_METHODS[method]]


def _variants(experiment: Experiment, settings: DragSettings, info: ModelInfo) -> Iterator[Variant]:
    if experiment == "landmarks":
        yield from map(Variant, LANDMARK_COUNTS)
    elif experiment == "paired":
        yield Variant(32)
    elif experiment in ("tracking", "cycle"):
        yield Variant(1)
    elif experiment == "mask":
        for mask in (MaskUse.FEATURES, MaskUse.IMAGE, MaskUse.NONE):
            yield Variant(1, mask)
    else:
        yield from _ablations(settings, info)


def _ablations(settings: DragSettings, info: ModelInfo) -> Iterator[Variant]:
    """Return variants that change one of the model's own settings each (paper, tables 3 and 4)."""
    last_blocks = info.blocks[-4:]
    values_by_setting: dict[str, Sequence[SettingValue]] = {
        "feature_block": last_blocks,
        "r1": _values_around(settings.r1, (0.4, 0.6, 1, 1.4, 2)),
        "r2": _values_around(settings.r2, (0.5, 1, 1.5, 2)),
        "mask_weight": _values_around(settings.mask_weight, (0.1, 0.4, 1, 2, 4)),
        "tracking_norm": ("l1", "l2"),
        "precision": ("float32", "bfloat16"),
        "layers": sorted({2, 4, 6, 8, info.num_ws} & set(range(1, info.num_ws + 1))),
        "space": ("w+", "w"),
        "step_size": [float(f"{settings.step_size * value_factor:.3g}") for value_factor in (0.4, 1, 2, 4)],
        "stay": sorted({0.0, 0.2, 0.4, 0.8, settings.stay}),
    }
    yield ablation_variant(None)
    for setting_name, setting_values in values_by_setting.items():
        for setting_value in setting_values:
            # Only λ is measured with a mask, so that only its own value has no row yet.
            if setting_name == "mask_weight" or setting_value != getattr(settings, setting_name):
                yield ablation_variant(SettingChange(setting_name, setting_value))
    for block_name in last_blocks:
        if block_name != settings.feature_block:
            yield ablation_variant(SettingChange("tracking_block", block_name))


def _values_around(setting_value: float, value_factors: Sequence[float]) -> list[float]:
    return sorted(
        {max(1.0, float(f"{setting_value * value_factor:.2g}")) for value_factor in value_factors} | {setting_value}
    )


def run_task(model: Model, task: Task) -> tuple[list[Row], ChunkImages]:
    """Run a chunk and measure its cases.

    Raises:
        InputError: the experiment needs known landmarks, and those of the model's images are not known.
    """
    evaluation_cases = _task_cases(model, task)
    drag_tasks = [case.drag for case in evaluation_cases]
    images_before = generate_images(model.generator, [drag.ws for drag in drag_tasks])
    tracking_errors = TrackingErrors(model, evaluation_cases, images_before) if task.experiment == "tracking" else None
    edit_results = task.edit(model.generator, drag_tasks, task.settings, tracking_errors)
    images_after = generate_images(model.generator, [edit_result.ws for edit_result in edit_results])
    figures_by_case = edit_costs(task.method, edit_results)
    if task.method is not Method.NO_EDIT:
        add_latent_lengths(figures_by_case, model, evaluation_cases, edit_results, task.settings.layers)
    goal_latents = [case.goal for case in evaluation_cases if case.goal is not None]
    error_curves: list[list[tuple[int, float]]] = [[] for _ in evaluation_cases]
    if task.experiment == "cycle":
        return_results = task.edit(model.generator, _return_tasks(drag_tasks, edit_results), task.settings, None)
        goal_latents = [return_result.ws for return_result in return_results]
        add_return_costs(figures_by_case, return_results)
    goal_images = generate_images(model.generator, goal_latents)
    if task.experiment == "cycle":
        add_image_distances(figures_by_case, model, goal_images, images_before)
    elif task.experiment == "paired":
        add_image_distances(figures_by_case, model, images_after, goal_images)
    elif tracking_errors is not None:
        tracking_errors.add_ends(edit_results)
        error_curves = tracking_errors.curves
    else:
        detector = DETECTORS[task.detector]
        add_landmark_figures(figures_by_case, detector, evaluation_cases, images_before, images_after)
        add_dragging_accuracy(figures_by_case, evaluation_cases, images_before, images_after)
        add_mask_changes(figures_by_case, model, task.experiment, evaluation_cases, images_before, images_after)
    chunk_rows = [
        Row(
            chunk=task.chunk, size=task.size, index=i, experiment=task.experiment, variant=task.variant,
            method=task.method, case=case.number, values={**figures_by_case[i], **curve_figures(error_curves[i])},
            curve=tuple(error_curves[i]),
        )
        for i, case in enumerate(evaluation_cases)
    ]  # fmt: skip
    chunk_images = _chunk_images(drag_tasks, images_before, images_after, goal_images)
    if task.experiment in ("landmarks", "ablation"):
        chunk_images = _with_features(chunk_images, model, images_before, images_after)
    return chunk_rows, chunk_images


def _return_tasks(drag_tasks: Sequence[DragTask], edit_results: Sequence[EditResult]) -> list[DragTask]:
    """Return the drags from the targets of earlier drags back to their handles."""
    return [
        DragTask(edit_result.ws, [(target, handle) for handle, target in drag.pairs], drag.mask)
        for drag, edit_result in zip(drag_tasks, edit_results, strict=True)
    ]


def _with_features(chunk_images: ChunkImages, model: Model, images_before: Tensor, images_after: Tensor) -> ChunkImages:
    """Add the features by which sets of images are compared."""
    if (features_of := feature_function(model)) is not None:
        chunk_images = replace(
            chunk_images, features_before=features_of(images_before), features_after=features_of(images_after)
        )
    if why_no_inception() is None:
        inception_features = load_inception()
        chunk_images = replace(
            chunk_images,
            inception_before=inception_features(images_before),
            inception_after=inception_features(images_after),
        )
    return chunk_images


def _task_cases(model: Model, task: Task) -> list[EvaluationCase]:
    case_numbers = range(task.first, task.first + task.size)
    if task.experiment == "paired":
        case_iterator = paired_cases(model)
    elif task.experiment in ("tracking", "cycle"):
        case_iterator = tracking_cases(model)
    elif task.detector == "dlib":
        return [face_case(model, task.variant.points, case_number) for case_number in case_numbers]
    else:
        case_iterator = landmark_cases(model, task.variant.points, masked=task.variant.mask is not MaskUse.NONE)
    return list(itertools.islice(case_iterator, case_numbers.start, case_numbers.stop))


def _chunk_images(
    drag_tasks: Sequence[DragTask], images_before: Tensor, images_after: Tensor, goal_images: Tensor
) -> ChunkImages:
    image_height = images_before.shape[2]
    size_factor = min(1.0, THUMBNAIL_SIZE / image_height)

    def thumbnails(images: Tensor) -> NDArray[np.uint8]:
        if size_factor < 1:
            thumbnail_size = (round(image_height * size_factor), max(1, round(images.shape[3] * size_factor)))
            images = F.interpolate(images, size=thumbnail_size, mode="area")
        return np.stack([to_uint8(image[None]) for image in images])

    pair_points = np.full(
        (len(drag_tasks), max(len(drag.pairs) for drag in drag_tasks), 2, 2), np.nan, dtype=np.float32
    )
    for case_points, drag in zip(pair_points, drag_tasks, strict=True):
        case_points[: len(drag.pairs)] = (np.array(drag.pairs, dtype=np.float32) + 0.5) * size_factor - 0.5
    return ChunkImages(
        before=thumbnails(images_before),
        after=thumbnails(images_after),
        handles=pair_points[:, :, 0],
        targets=pair_points[:, :, 1],
        goal=thumbnails(goal_images) if len(goal_images) else None,
    )
