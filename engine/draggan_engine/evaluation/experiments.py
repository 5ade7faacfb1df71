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
            size = BATCHED_CASES if variant.points <= 5 else BATCHED_CASES_OF_MANY_POINTS
            for first in range(0, request.n, size):
                for method in _methods(experiment, request.methods):
                    yield Task(experiment, variant, method, first, min(size, request.n - first), settings)


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
    values: dict[str, Sequence[SettingValue]] = {
        "feature_block": last_blocks,
        "r1": _values_around(settings.r1, (0.4, 0.6, 1, 1.4, 2)),
        "r2": _values_around(settings.r2, (0.5, 1, 1.5, 2)),
        "mask_weight": _values_around(settings.mask_weight, (0.1, 0.4, 1, 2, 4)),
        "tracking_norm": ("l1", "l2"),
        "precision": ("float32", "bfloat16"),
        "layers": sorted({2, 4, 6, 8, info.num_ws} & set(range(1, info.num_ws + 1))),
        "space": ("w+", "w"),
        "step_size": [float(f"{settings.step_size * factor:.3g}") for factor in (0.4, 1, 2, 4)],
    }
    yield ablation_variant(None)
    for setting, choices in values.items():
        for value in choices:
            # Only λ is measured with a mask, so that only its own value has no row yet.
            if setting == "mask_weight" or value != getattr(settings, setting):
                yield ablation_variant(SettingChange(setting, value))
    for block in last_blocks:
        if block != settings.feature_block:
            yield ablation_variant(SettingChange("tracking_block", block))


def _values_around(value: float, factors: Sequence[float]) -> list[float]:
    return sorted({max(1.0, float(f"{value * factor:.2g}")) for factor in factors} | {value})


def run_task(model: Model, task: Task) -> tuple[list[Row], ChunkImages]:
    """Run a chunk and measure its cases.

    Raises:
        InputError: the experiment needs known landmarks, and those of the model's images are not known.
    """
    cases = _task_cases(model, task)
    drags = [case.drag for case in cases]
    before = _generate(model, [drag.ws for drag in drags])
    curves: list[list[tuple[int, float]]]
    if task.experiment == "tracking":
        errors = _TrackingErrors(model, cases, before)
        results = task.edit(model.generator, drags, task.settings, errors)
        errors.add_ends(results)
        curves = errors.curves
    else:
        results = task.edit(model.generator, drags, task.settings, None)
        curves = [[] for _ in cases]
    after = _generate(model, [result.ws for result in results])
    goals = _generate(model, [case.goal for case in cases if case.goal is not None])
    detected = [detect_landmarks(images) for images in (before, after)] if cases[0].landmark_names else None
    figures = _edit_costs(task, results)
    if task.experiment == "paired":
        _add_paired_figures(figures, model, after, goals)
    elif task.experiment != "tracking":
        assert detected is not None
        _add_landmark_figures(figures, model, cases, detected)
        _add_mask_changes(figures, model, task, cases, before, after)
    rows = []
    for i, case in enumerate(cases):
        rows.append(
            Row(
                chunk=task.chunk, size=task.size, index=i, experiment=task.experiment, variant=task.variant,
                method=task.method, case=case.number, values={**figures[i], **_curve_figures(curves[i])},
                curve=tuple(curves[i]),
            )
        )  # fmt: skip
    return rows, _chunk_images(drags, before, after, goals, detected)


def _task_cases(model: Model, task: Task) -> list[EvaluationCase]:
    if task.experiment == "paired":
        cases = paired_cases(model)
    elif task.experiment == "tracking":
        cases = tracking_cases(model)
    else:
        cases = landmark_cases(model, task.variant.points, masked=task.variant.mask is not MaskUse.NONE)
    return list(itertools.islice(cases, task.first, task.first + task.size))


def _edit_costs(task: Task, results: Sequence[EditResult]) -> list[dict[str, float]]:
    """Return steps and seconds of each edit, and whether it reached its targets, as far as the method knows them."""
    figures: list[dict[str, float]] = []
    for result in results:
        costs = {"steps": float(result.steps), "seconds": result.seconds} if task.method is not Method.NO_EDIT else {}
        figures.append(costs if result.reached is None else {**costs, "reached": float(result.reached)})
    return figures


def _add_paired_figures(figures: Sequence[dict[str, float]], model: Model, after: Tensor, goals: Tensor) -> None:
    columns = {"mse": mse(after, goals), "ssim": ssim(after, goals)}
    if (features := feature_function(model)) is not None:
        columns["features"] = feature_distance(features(after), features(goals))
    if (lpips_distance := lpips()) is not None:
        columns["lpips"] = lpips_distance(after, goals)
    for i, case_figures in enumerate(figures):
        case_figures.update({name: float(column[i]) for name, column in columns.items()})


def _add_landmark_figures(
    figures: Sequence[dict[str, float]],
    model: Model,
    cases: Sequence[EvaluationCase],
    detected: Sequence[DetectedLandmarks],
) -> None:
    """Add the mean distances of the detected landmarks to their targets, before and after the edit."""
    scale = model.generator.image_shape[0] / 128
    for i, (case, case_figures) in enumerate(zip(cases, figures, strict=True)):
        indices = [LANDMARKS.index(name) for name in case.landmark_names]
        targets = np.array([target for _, target in case.drag.pairs])
        for name, landmarks in zip(("md_start", "md"), detected, strict=True):
            distance = float(np.linalg.norm(landmarks.points[i, indices] - targets, axis=1).mean())
            case_figures[name] = distance / scale


def _add_mask_changes(
    figures: Sequence[dict[str, float]],
    model: Model,
    task: Task,
    cases: Sequence[EvaluationCase],
    before: Tensor,
    after: Tensor,
) -> None:
    """Add the changes inside and outside each case's mask; in the mask experiment also for drags without one."""
    for i, (case, case_figures) in enumerate(zip(cases, figures, strict=True)):
        mask = case.drag.mask
        if task.experiment == "mask" and mask is None:
            masked_case = next(itertools.islice(landmark_cases(model, 1, masked=True), case.number, None))
            mask = masked_case.drag.mask
        if mask is not None:
            inside, outside = change_by_mask(before[i], after[i], mask)
            case_figures["change_inside"], case_figures["change_outside"] = inside, outside


class _TrackingErrors:
    """Measures, while a method runs, how far each handle is from its content (paper, figure 6).

    The content is where its landmark is detected or, if the landmarks are not known, where the optical flow from the
    first image leads.

    Attributes:
        curves: for each case (step, error in px of an image 128 px high).
    """

    def __init__(self, model: Model, cases: Sequence[EvaluationCase], before: Tensor) -> None:
        self.model, self.cases = model, cases
        self.images_before = [to_uint8(image[None]) for image in before]
        self.curves: list[list[tuple[int, float]]] = [[] for _ in cases]

    def __call__(self, step: int, active: Tensor, ws: Tensor, handles: Tensor) -> None:
        if step in MEASURED_STEPS:
            self._measure([step] * len(active), active, ws, handles[:, 0])

    def add_ends(self, results: Sequence[EditResult]) -> None:
        """Add the last step of each drag, if it has not been measured."""
        late = [i for i, result in enumerate(results) if result.steps > self.curves[i][-1][0]]
        if late:
            ws = torch.cat([results[i].ws for i in late])
            handles = torch.cat([results[i].handles for i in late])
            self._measure([results[i].steps for i in late], torch.tensor(late), ws, handles)

    def _measure(self, steps: Sequence[int], active: Tensor, ws: Tensor, handles: Tensor) -> None:
        images = _generate(self.model, list(ws[:, None]))
        scale = self.model.generator.image_shape[0] / 128
        content = self._content_positions(active.tolist(), images)
        for step, i, handle, position in zip(steps, active.tolist(), handles.cpu().numpy(), content, strict=True):
            self.curves[i].append((step, float(np.linalg.norm(handle - position)) / scale))

    def _content_positions(self, active: Sequence[int], images: Tensor) -> NDArray[np.float32]:
        if self.cases[0].landmark_names:
            points = detect_landmarks(images).points
            indices = [LANDMARKS.index(self.cases[i].landmark_names[0]) for i in active]
            return points[np.arange(len(active)), indices]
        positions = []
        for i, image in zip(active, images, strict=True):
            handle = np.array(self.cases[i].drag.pairs[0][0], dtype=np.float32)
            flow = dis_flow()(self.images_before[i], to_uint8(image[None]))
            positions.append(handle + sample_flow(flow, handle))
        return np.array(positions, dtype=np.float32)


def _curve_figures(curve: Sequence[tuple[int, float]]) -> dict[str, float]:
    if not curve:
        return {}
    steps, errors = zip(*curve, strict=True)
    error_at_each_step = np.interp(np.arange(steps[-1] + 1), steps, errors)
    return {"error_mean": float(error_at_each_step.mean()), "error_end": errors[-1]}


@torch.no_grad()
def _generate(model: Model, latents: Sequence[Tensor]) -> Tensor:
    """Return the images of latents `[1, num_ws, w_dim]`, `[N, 3, H, W]` in −1…1 on the CPU."""
    if not latents:
        return torch.empty(0)
    ws = torch.cat(list(latents)).to(model.generator.device)
    return torch.cat([model.generator.synthesis(part).image.cpu() for part in torch.split(ws, 16)])[:, :3].clamp(-1, 1)


def _chunk_images(
    drags: Sequence[DragTask],
    before: Tensor,
    after: Tensor,
    goals: Tensor,
    detected: Sequence[DetectedLandmarks] | None,
) -> ChunkImages:
    height = before.shape[2]
    scale = min(1.0, THUMBNAIL_SIZE / height)

    def thumbnails(images: Tensor) -> NDArray[np.uint8]:
        if scale < 1:
            size = (round(height * scale), max(1, round(images.shape[3] * scale)))
            images = F.interpolate(images, size=size, mode="area")
        return np.stack([to_uint8(image[None]) for image in images])

    points = np.full((len(drags), max(len(drag.pairs) for drag in drags), 2, 2), np.nan, dtype=np.float32)
    for row, drag in zip(points, drags, strict=True):
        row[: len(drag.pairs)] = (np.array(drag.pairs, dtype=np.float32) + 0.5) * scale - 0.5
    return ChunkImages(
        before=thumbnails(before),
        after=thumbnails(after),
        handles=points[:, :, 0],
        targets=points[:, :, 1],
        goal=thumbnails(goals) if len(goals) else None,
        features_before=None if detected is None else detected[0].features,
        features_after=None if detected is None else detected[1].features,
    )
