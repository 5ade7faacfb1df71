"""The paper's experiments: the chunks of cases that a run consists of, and the figures that are measured on each case."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.dragging.motion_supervision import AveragedMaskLoss, ExactMaskLoss
from draggan_engine.networks.generate import to_uint8

from .baselines.optical_flow import dis_flow, sample_flow
from .cases import EvaluationCase, landmark_cases, paired_cases, tracking_cases
from .edit_runs import EditFunction, EditResult
from .landmark_detector import DetectedLandmarks, detect_landmarks
from .methods import METHODS, Drag
from .metrics import change_by_mask, feature_distance, feature_function, lpips, mse, ssim
from .run_directory import THUMBNAIL_SIZE, ChunkImages, Request, Row
from .variant_names import ablation_variant, variant_name
from .variants import BFLOAT16, Experiment, MaskUse, Method, SettingChange, SettingValue, Variant

LANDMARK_COUNTS = (1, 5, 68)
PAIRED_STEPS = 100  # the paper's
BATCHED_CASES = 16
"""How many cases of one to five points advance together."""
BATCHED_CASES_OF_MANY_POINTS = 8
MEASURED_STEPS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250, 300)
"""The steps at which the tracking error is measured."""


@dataclass(frozen=True)
class Task:
    """A chunk: some cases of a variant on which one method runs.

    Attributes:
        first: the number of the first case.
        size: how many cases there are.
        settings: with the variant's change.
    """

    experiment: Experiment
    variant: Variant
    method: Method
    first: int
    size: int
    settings: DragSettings

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
            settings = variant.apply_to(request.settings)
            if experiment == "paired":
                settings = settings.model_copy(update={"max_steps": min(PAIRED_STEPS, settings.max_steps)})
            chunk_size = BATCHED_CASES if variant.points <= 5 else BATCHED_CASES_OF_MANY_POINTS
            for first_case in range(0, request.n, chunk_size):
                for method in _methods(experiment, request.methods):
                    yield Task(
                        experiment, variant, method, first_case, min(chunk_size, request.n - first_case), settings
                    )


def _methods(experiment: Experiment, methods: Sequence[Method]) -> Sequence[Method]:
    if experiment in ("mask", "ablation"):
        return (Method.DRAG,)
    if experiment == "tracking":  # an image that is not edited has nothing to track
        return [method for method in methods if method is not Method.NO_EDIT]
    return methods


def _variants(experiment: Experiment, settings: DragSettings, info: ModelInfo) -> Iterator[Variant]:
    if experiment == "landmarks":
        yield from map(Variant, LANDMARK_COUNTS)
    elif experiment == "paired":
        yield Variant(32)
    elif experiment == "tracking":
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
    images_before = _generate(model, [drag.ws for drag in drag_tasks])
    error_curves: list[list[tuple[int, float]]]
    if task.experiment == "tracking":
        tracking_errors = _TrackingErrors(model, evaluation_cases, images_before)
        edit_results = task.edit(model.generator, drag_tasks, task.settings, tracking_errors)
        tracking_errors.add_ends(edit_results)
        error_curves = tracking_errors.curves
    else:
        edit_results = task.edit(model.generator, drag_tasks, task.settings, None)
        error_curves = [[] for _ in evaluation_cases]
    images_after = _generate(model, [edit_result.ws for edit_result in edit_results])
    goal_images = _generate(model, [case.goal for case in evaluation_cases if case.goal is not None])
    detected_landmarks = (
        [detect_landmarks(images) for images in (images_before, images_after)]
        if evaluation_cases[0].landmark_names
        else None
    )
    figures_by_case = _edit_costs(task, edit_results)
    if task.experiment == "paired":
        _add_paired_figures(figures_by_case, model, images_after, goal_images)
    elif task.experiment != "tracking":
        assert detected_landmarks is not None
        _add_landmark_figures(figures_by_case, model, evaluation_cases, detected_landmarks)
        _add_mask_changes(figures_by_case, model, task, evaluation_cases, images_before, images_after)
    chunk_rows = []
    for i, case in enumerate(evaluation_cases):
        chunk_rows.append(
            Row(
                chunk=task.chunk, size=task.size, index=i, experiment=task.experiment, variant=task.variant,
                method=task.method, case=case.number, values={**figures_by_case[i], **_curve_figures(error_curves[i])},
                curve=tuple(error_curves[i]),
            )
        )  # fmt: skip
    return chunk_rows, _chunk_images(drag_tasks, images_before, images_after, goal_images, detected_landmarks)


def _task_cases(model: Model, task: Task) -> list[EvaluationCase]:
    if task.experiment == "paired":
        case_iterator = paired_cases(model)
    elif task.experiment == "tracking":
        case_iterator = tracking_cases(model)
    else:
        case_iterator = landmark_cases(model, task.variant.points, masked=task.variant.mask is not MaskUse.NONE)
    return list(itertools.islice(case_iterator, task.first, task.first + task.size))


def _edit_costs(task: Task, edit_results: Sequence[EditResult]) -> list[dict[str, float]]:
    """Return steps and seconds of each edit, and whether it reached its targets, as far as the method knows them."""
    figures_by_case: list[dict[str, float]] = []
    for edit_result in edit_results:
        edit_costs = (
            {"steps": float(edit_result.steps), "seconds": edit_result.seconds}
            if task.method is not Method.NO_EDIT
            else {}
        )
        figures_by_case.append(
            edit_costs if edit_result.reached is None else {**edit_costs, "reached": float(edit_result.reached)}
        )
    return figures_by_case


def _add_paired_figures(
    figures_by_case: Sequence[dict[str, float]], model: Model, images_after: Tensor, goal_images: Tensor
) -> None:
    values_by_figure = {"mse": mse(images_after, goal_images), "ssim": ssim(images_after, goal_images)}
    if (features_of := feature_function(model)) is not None:
        values_by_figure["features"] = feature_distance(features_of(images_after), features_of(goal_images))
    if (lpips_distance := lpips()) is not None:
        values_by_figure["lpips"] = lpips_distance(images_after, goal_images)
    for i, case_figures in enumerate(figures_by_case):
        case_figures.update(
            {figure_name: float(figure_values[i]) for figure_name, figure_values in values_by_figure.items()}
        )


def _add_landmark_figures(
    figures_by_case: Sequence[dict[str, float]],
    model: Model,
    evaluation_cases: Sequence[EvaluationCase],
    detected_landmarks: Sequence[DetectedLandmarks],
) -> None:
    """Add the mean distances of the detected landmarks to their targets, before and after the edit."""
    pixel_scale = model.generator.image_shape[0] / 128
    for i, (case, case_figures) in enumerate(zip(evaluation_cases, figures_by_case, strict=True)):
        landmark_indices = [LANDMARKS.index(landmark_name) for landmark_name in case.landmark_names]
        targets = np.array([target for _, target in case.drag.pairs])
        for figure_name, landmarks in zip(("md_start", "md"), detected_landmarks, strict=True):
            mean_distance = float(np.linalg.norm(landmarks.points[i, landmark_indices] - targets, axis=1).mean())
            case_figures[figure_name] = mean_distance / pixel_scale


def _add_mask_changes(
    figures_by_case: Sequence[dict[str, float]],
    model: Model,
    task: Task,
    evaluation_cases: Sequence[EvaluationCase],
    images_before: Tensor,
    images_after: Tensor,
) -> None:
    """Add the changes inside and outside each case's mask; in the mask experiment also for drags without one."""
    for i, (case, case_figures) in enumerate(zip(evaluation_cases, figures_by_case, strict=True)):
        mask = case.drag.mask
        if task.experiment == "mask" and mask is None:
            masked_case = next(itertools.islice(landmark_cases(model, 1, masked=True), case.number, None))
            mask = masked_case.drag.mask
        if mask is not None:
            change_inside, change_outside = change_by_mask(images_before[i], images_after[i], mask)
            case_figures["change_inside"], case_figures["change_outside"] = change_inside, change_outside


class _TrackingErrors:
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
        images = _generate(self.model, list(ws[:, None]))
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


def _curve_figures(error_curve: Sequence[tuple[int, float]]) -> dict[str, float]:
    if not error_curve:
        return {}
    measured_steps, error_values = zip(*error_curve, strict=True)
    error_at_each_step = np.interp(np.arange(measured_steps[-1] + 1), measured_steps, error_values)
    return {"error_mean": float(error_at_each_step.mean()), "error_end": error_values[-1]}


@torch.no_grad()
def _generate(model: Model, case_latents: Sequence[Tensor]) -> Tensor:
    """Return the images of latents `[1, num_ws, w_dim]`, `[N, 3, H, W]` in −1…1 on the CPU."""
    if not case_latents:
        return torch.empty(0)
    ws = torch.cat(list(case_latents)).to(model.generator.device)
    return torch.cat([model.generator.synthesis(ws_batch).image.cpu() for ws_batch in torch.split(ws, 16)])[
        :, :3
    ].clamp(-1, 1)


def _chunk_images(
    drag_tasks: Sequence[DragTask],
    images_before: Tensor,
    images_after: Tensor,
    goal_images: Tensor,
    detected_landmarks: Sequence[DetectedLandmarks] | None,
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
        features_before=None if detected_landmarks is None else detected_landmarks[0].features,
        features_after=None if detected_landmarks is None else detected_landmarks[1].features,
    )
