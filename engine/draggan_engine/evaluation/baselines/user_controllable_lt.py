"""UserControllableLT (Endo 2022): one pass of a trained network changes the latent, without any optimisation.

As in the paper, the motions are brought to the length that the network knows from its training, and its answer is multiplied
by how much longer the drag is (α). A mask is replaced by anchors: points outside it that do not move.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Size
from draggan_engine.dragging.drag_task import DragTask, PairBatch
from draggan_engine.dragging.feature_sampling import sample_features
from draggan_engine.evaluation.edit_runs import EditResult, StepObserver
from draggan_engine.networks.generator import Generator

from .latent_transformer import LatentTransformer, read_transformer, transformer_path

ANCHOR_GRID = 8  # points along each axis
MAX_ANCHORS = 8


def load_for(generator: Generator) -> LatentTransformer:
    """Return the network that was trained for a generator.

    Raises:
        InputError: there is none, or its file is damaged.
    """
    return read_transformer(transformer_path(generator))


@torch.inference_mode()
def predict_ws(network: LatentTransformer, generator: Generator, task: DragTask) -> Tensor:
    """Return the latent with which the handles should be at their targets, `[1, num_ws, w_dim]` on the CPU."""
    config = network.config
    ws = task.ws.to(generator.device)
    handles, targets = torch.tensor(task.pairs, dtype=torch.float32).unbind(dim=1)
    motions = targets - handles
    lengths = motions.norm(dim=1)
    if not bool((lengths > 0).any()):
        return task.ws.cpu().clone()
    drag_length = lengths[lengths > 0].mean()
    anchors = torch.empty(0, 2) if task.mask is None else mask_anchors(task.mask)
    feature_map = generator.synthesis(ws, features=(config.feature_block,)).features[config.feature_block]
    image_height, image_width = generator.image_shape
    points = torch.cat([handles, anchors])[None]
    features = sample_features(feature_map, points.to(ws.device), Size(image_width, image_height)).cpu()
    directions = torch.cat([motions / drag_length, torch.zeros_like(anchors)])[None]
    start_w = task.ws[:, : config.predicted_rows].cpu()
    exists = torch.ones(directions.shape[:2], dtype=torch.bool)
    change = network(start_w, directions, features, exists) * network.change_scale
    alpha = drag_length / network.motion_scale
    new_ws = task.ws.cpu().clone()
    new_ws[:, : config.moved_rows] += alpha * change
    return new_ws


def mask_anchors(mask: NDArray[np.uint8]) -> Tensor:
    """Return at most `MAX_ANCHORS` points of a regular grid that are outside a mask, `[A, 2]` in image pixels."""
    rows, columns = (
        np.floor((np.arange(ANCHOR_GRID) + 0.5) / ANCHOR_GRID * length).astype(int) for length in mask.shape
    )
    y, x = np.meshgrid(rows, columns, indexing="ij")
    is_outside = mask[y, x] == 0
    points = np.stack([x[is_outside], y[is_outside]], axis=1)
    evenly_spaced = np.linspace(0, len(points) - 1, min(len(points), MAX_ANCHORS)).round().astype(int)
    return torch.from_numpy(points[evenly_spaced].astype(np.float32))


def edit_with_latent_transformer(
    generator: Generator,
    drags: Sequence[DragTask],
    settings: DragSettings,  # noqa: ARG001
    observer: StepObserver | None,
) -> list[EditResult]:
    """Change each latent in one step. The method cannot know whether the handles have arrived, and takes it that they have.

    Raises:
        InputError: there are no weights for this generator.
    """
    network = load_for(generator)
    image_height, image_width = generator.image_shape
    pairs = PairBatch.of(drags, Size(image_width, image_height), like=drags[0].ws)
    every_drag = torch.arange(len(drags))
    if observer is not None:
        observer(0, every_drag, torch.cat([drag.ws for drag in drags]), pairs.handles)
    edit_results = []
    for drag in drags:
        start_time = time.perf_counter()
        new_ws = predict_ws(network, generator, drag)
        targets = torch.tensor([target for _, target in drag.pairs], dtype=torch.float32)
        edit_results.append(EditResult(new_ws, targets, 1, time.perf_counter() - start_time, None))
    if observer is not None:
        observer(1, every_drag, torch.cat([edit_result.ws for edit_result in edit_results]), pairs.targets)
    return edit_results
