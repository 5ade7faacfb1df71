"""The paper's experiments: which chunks of cases there are, and what is measured on each."""

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
from draggan_engine.dragging.motion_supervision import ExactMaskLoss
from draggan_engine.networks.generate import to_uint8

from .baselines import optical_flow as flows
from .cases import EvaluationCase, landmark_cases, paired_cases, tracking_cases
from .landmark_detector import DetectedLandmarks, detect_landmarks
from .methods import METHODS, Drag, EditResult
from .metrics import change_by_mask, feature_distance, feature_function, lpips, mse, ssim
from .run_directory import OWN, THUMBNAIL_SIZE, ChunkImages, Experiment, Request, Row, shown

POINTS = {"1 point": 1, "5 points": 5, "68 points": 68}
PAIRED_STEPS = 100  # the paper's
CHUNK_SIZES = {"68 points": 8, "32 points": 8}  # cases that advance together; 16 of the others
BFLOAT16 = "precision: bfloat16"  # the group of an ablation that not every device can run
MEASURED_STEPS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250, 300)


@dataclass(frozen=True)
class Task:
    """A chunk of cases on which one method is to be run; `variant`: in its place, if it is the drag."""

    experiment: Experiment
    group: str
    method: str
    first: int
    size: int
    settings: DragSettings
    variant: Drag | None = None

    @property
    def chunk(self) -> str:
        return f"{self.experiment}/{self.group}/{self.method}/{self.first:05d}"


def tasks(request: Request, info: ModelInfo) -> Iterator[Task]:
    """All chunks of a run, in the order in which they are best done: of each experiment every method early."""
    base = request.settings
    for experiment in request.experiments:
        for group, settings, variant in _groups(experiment, base, info):
            size = CHUNK_SIZES.get(group, 16)
            methods = request.methods if experiment in ("landmarks", "paired", "tracking") else ("drag",)
            for first in range(0, request.n, size):
                for method in methods:
                    if experiment == "tracking" and method == "no edit":
                        continue
                    yield Task(experiment, group, method, first, min(size, request.n - first), settings, variant)


def _groups(
    experiment: Experiment, base: DragSettings, info: ModelInfo
) -> Iterator[tuple[str, DragSettings, Drag | None]]:
    """Name of the group, its settings, and the drag's variant if it is one."""
    if experiment == "landmarks":
        for group in POINTS:
            yield group, base, None
    elif experiment == "paired":
        yield "32 points", base.model_copy(update={"max_steps": min(PAIRED_STEPS, base.max_steps)}), None
    elif experiment == "tracking":
        yield "1 point", base, None
    elif experiment == "mask":
        yield "with mask", base, None
        yield "with mask, exact term", base, Drag(mask_loss_type=ExactMaskLoss)
        yield "without", base, None
    else:
        yield from _ablations(base, info)


def _ablations(base: DragSettings, info: ModelInfo) -> Iterator[tuple[str, DragSettings, Drag | None]]:
    """One setting after the other departs from the model's own (paper, tables 3 and 4)."""
    near = info.blocks[-4:]
    r1, r2, step = base.r1, base.r2, base.step_size
    values: dict[str, tuple[str, Sequence[object]]] = {
        "supervision and tracking block": ("feature_block", near),
        "r1": ("r1", _around(r1, (0.4, 0.6, 1, 1.4, 2))),
        "r2": ("r2", _around(r2, (0.5, 1, 1.5, 2))),
        "λ": ("mask_weight", _around(base.mask_weight, (0.1, 0.4, 1, 2, 4))),
        "tracking norm": ("tracking_norm", ("l1", "l2")),
        "precision": ("precision", ("float32", "bfloat16")),
        "layers": ("layers", sorted({2, 4, 6, 8, info.num_ws} & set(range(1, info.num_ws + 1)))),
        "space": ("space", ("w+", "w")),
        "step size": ("step_size", [float(f"{step * factor:.3g}") for factor in (0.4, 1, 2, 4)]),
    }
    yield OWN, base, None
    for name, (field, choices) in values.items():
        for value in choices:
            if name == "λ" or value != getattr(base, field):  # λ is measured with a mask, all else without
                yield f"{name}: {shown(value)}", base.model_copy(update={field: value}), None
    for block in near:
        if block != base.feature_block:
            yield f"tracking block: {block}", base, Drag(tracking_block=block)


def _around(value: float, factors: Sequence[float]) -> list[float]:
    return sorted({max(1.0, float(f"{value * factor:.2g}")) for factor in factors} | {value})


def run_task(model: Model, task: Task) -> tuple[list[Row], ChunkImages]:
    """
    Raises:
        InputError: the model's pictures do not serve the experiment.
    """
    cases = _cases(model, task)
    starts = [case.start for case in cases]
    run = task.variant or METHODS[task.method]
    before = _images(model, [start.ws for start in starts])
    curves: list[list[tuple[int, float]]]
    if task.experiment == "tracking":
        trace = _Trace(model, cases, before)
        results = run(model.generator, starts, task.settings, trace)
        trace.end(results)
        curves = trace.curves
    else:
        results = run(model.generator, starts, task.settings, None)
        curves = [[] for _ in cases]
    after = _images(model, [result.ws for result in results])
    goals = _images(model, [case.goal for case in cases if case.goal is not None])
    found = [detect_landmarks(images) for images in (before, after)] if cases[0].names else None
    values = _measure(model, task, cases, results, before, after, goals, found)
    rows = []
    for i, case in enumerate(cases):
        figures = {**values[i], **_curve_values(curves[i])}
        where = {"chunk": task.chunk, "size": task.size, "index": i, "experiment": task.experiment, "group": task.group}
        rows.append(Row(**where, method=task.method, case=case.number, values=figures, curve=tuple(curves[i])))
    return rows, _pictures(starts, before, after, goals, found)


def _cases(model: Model, task: Task) -> list[EvaluationCase]:
    if task.experiment == "paired":
        found = paired_cases(model)
    elif task.experiment == "tracking":
        found = tracking_cases(model)
    elif task.experiment == "mask" or task.group.startswith("λ"):
        found = landmark_cases(model, 1, masked=task.group != "without")
    else:
        found = landmark_cases(model, POINTS.get(task.group, 5))
    return list(itertools.islice(found, task.first, task.first + task.size))


def _measure(
    model: Model,
    task: Task,
    cases: Sequence[EvaluationCase],
    results: Sequence[EditResult],
    before: Tensor,
    after: Tensor,
    goals: Tensor,
    found: Sequence[DetectedLandmarks] | None,
) -> list[dict[str, float]]:
    values: list[dict[str, float]] = []
    for result in results:
        costs = {"steps": float(result.steps), "seconds": result.seconds} if task.method != "no edit" else {}
        values.append(costs if result.reached is None else {**costs, "reached": float(result.reached)})
    if task.experiment == "paired":
        columns = {"mse": mse(after, goals), "ssim": ssim(after, goals)}
        if (features := feature_function(model)) is not None:
            columns["features"] = feature_distance(features(after), features(goals))
        if (distance := lpips()) is not None:
            columns["lpips"] = distance(after, goals)
        for i, value in enumerate(values):
            value.update({name: float(column[i]) for name, column in columns.items()})
    elif task.experiment != "tracking":
        assert found is not None
        scale = model.generator.image_shape[0] / 128
        for i, (case, value) in enumerate(zip(cases, values, strict=True)):
            value["md_start"], value["md"] = (_md(case, detected, i) / scale for detected in found)
            mask = case.start.mask
            if task.experiment == "mask" and mask is None:
                mask = next(itertools.islice(landmark_cases(model, 1, masked=True), case.number, None)).start.mask
            if mask is not None:
                value["change_inside"], value["change_outside"] = change_by_mask(before[i], after[i], mask)
    return values


def _md(case: EvaluationCase, found: DetectedLandmarks, i: int) -> float:
    """Mean distance of the detected landmarks to their targets, in px of the picture."""
    chosen = [LANDMARKS.index(name) for name in case.names]
    targets = np.array([target for _, target in case.start.pairs])
    return float(np.linalg.norm(found.points[i, chosen] - targets, axis=1).mean())


class _Trace:
    """While a method runs: how far the handle is from where its content has gone (paper, figure 6), at some of the steps.

    The content's true place is the detected landmark's; without a scene, where optical flow from the first picture says.
    """

    def __init__(self, model: Model, cases: Sequence[EvaluationCase], before: Tensor) -> None:
        self.model, self.cases = model, cases
        self.before = [to_uint8(image[None]) for image in before]
        self.curves: list[list[tuple[int, float]]] = [[] for _ in cases]

    def __call__(self, step: int, alive: Tensor, ws: Tensor, handles: Tensor) -> None:
        if step in MEASURED_STEPS:
            self._note([step] * len(alive), alive, ws, handles[:, 0])

    def end(self, results: Sequence[EditResult]) -> None:
        """Where each has ended, if that is not there yet."""
        late = [i for i, result in enumerate(results) if result.steps > self.curves[i][-1][0]]
        if late:
            ws = torch.cat([results[i].ws for i in late])
            handles = torch.cat([results[i].handles for i in late])
            self._note([results[i].steps for i in late], torch.tensor(late), ws, handles)

    def _note(self, steps: Sequence[int], alive: Tensor, ws: Tensor, handles: Tensor) -> None:
        images = _images(self.model, list(ws[:, None]))
        scale = self.model.generator.image_shape[0] / 128
        places = self._places(alive.tolist(), images)
        for step, i, handle, place in zip(steps, alive.tolist(), handles.cpu().numpy(), places, strict=True):
            self.curves[i].append((step, float(np.linalg.norm(handle - place)) / scale))

    def _places(self, alive: Sequence[int], images: Tensor) -> NDArray[np.float32]:
        if self.cases[0].names:
            found = detect_landmarks(images).points
            chosen = [LANDMARKS.index(self.cases[i].names[0]) for i in alive]
            return found[np.arange(len(alive)), chosen]
        places = []
        for i, image in zip(alive, images, strict=True):
            handle = np.array(self.cases[i].start.pairs[0][0], dtype=np.float32)
            places.append(handle + flows.sample_flow(flows.dis_flow()(self.before[i], to_uint8(image[None])), handle))
        return np.array(places, dtype=np.float32)


def _curve_values(curve: Sequence[tuple[int, float]]) -> dict[str, float]:
    if not curve:
        return {}
    steps, errors = zip(*curve, strict=True)
    each = np.interp(np.arange(steps[-1] + 1), steps, errors)
    return {"error_mean": float(each.mean()), "error_end": errors[-1]}


@torch.no_grad()
def _images(model: Model, latents: Sequence[Tensor]) -> Tensor:
    """`[N, 3, H, W]` in −1…1, on the CPU."""
    if not latents:
        return torch.empty(0)
    ws = torch.cat(list(latents)).to(model.generator.device)
    return torch.cat([model.generator.synthesis(part).image.cpu() for part in torch.split(ws, 16)])[:, :3].clamp(-1, 1)


def _pictures(
    starts: Sequence[DragTask], before: Tensor, after: Tensor, goals: Tensor, found: Sequence[DetectedLandmarks] | None
) -> ChunkImages:
    height = before.shape[2]
    scale = min(1.0, THUMBNAIL_SIZE / height)

    def small(images: Tensor) -> NDArray[np.uint8]:
        if scale < 1:
            size = (round(height * scale), max(1, round(images.shape[3] * scale)))
            images = F.interpolate(images, size=size, mode="area")
        return np.stack([to_uint8(image[None]) for image in images])

    points = np.full((len(starts), max(len(start.pairs) for start in starts), 2, 2), np.nan, dtype=np.float32)
    for row, start in zip(points, starts, strict=True):
        row[: len(start.pairs)] = (np.array(start.pairs, dtype=np.float32) + 0.5) * scale - 0.5
    return ChunkImages(
        before=small(before),
        after=small(after),
        handles=points[:, :, 0],
        targets=points[:, :, 1],
        goal=small(goals) if len(goals) else None,
        features_before=None if found is None else found[0].features,
        features_after=None if found is None else found[1].features,
    )
