"""Training data of UserControllableLT: latents, small changes of them, and how far points of their images move.

Where the scene of each latent is known, the points are its landmarks, and z is changed. For other models w is changed, and
the motions are measured by optical flow (as in Endo 2022, with OpenCV's DIS).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.geometry import Size, rescale
from draggan_engine.critters.scene.animal_parameters import PARAMETERS, Z_DIM
from draggan_engine.critters.scene.scene import Scene, build_scene, to_pixels
from draggan_engine.critters.scene.species import MARKINGS
from draggan_engine.dragging.feature_sampling import sample_features
from draggan_engine.evaluation.cases import COLOR_WORDS, has_known_landmarks
from draggan_engine.networks.generate import to_uint8

from .latent_transformer import FEATURE_HEIGHT, LatentTransformerConfig, generator_checksum
from .optical_flow import dis_flow

CHANGE_ANGLE = math.asin(0.5)
"""How far a changed latent is turned towards another random one."""
WHOLE_CHANGE_SHARE = 0.5
"""The share of the changes that concern all components of z. The others concern a random part of them, so that many landmarks
hardly move."""
MOVING_COMPONENTS = [
    i for i, name in enumerate(PARAMETERS) if name not in MARKINGS and not any(word in name for word in COLOR_WORDS)
]
"""The components of z that move landmarks."""
BACKDROP_POINTS = 16
"""Points of the backdrop per image. They never move."""
BACKDROP_CANDIDATES = 64
FLOW_GRID = 16  # points along each axis
FLOW_HEIGHT = 256  # px; images for the flow are not rendered higher, if the generator renders lower ones
FEATURE_BATCH = 16  # images


@dataclass(frozen=True)
class SampleRound:
    """B latents with P changes each.

    Attributes:
        w: `[B, rows, w_dim]`.
        changes: `[B, P, rows, w_dim]`.
        features: float16 `[B, T, C]`, of T points of each image.
        motions: `[B, P, T, 2]`, how far each change moves the points, in image pixels.
        usable: bool `[B, P, T]`, whether a point is visible before and after.
        backdrop: bool `[T]`, which of the points are in the backdrop.
    """

    w: Tensor
    changes: Tensor
    features: Tensor
    motions: Tensor
    usable: Tensor
    backdrop: Tensor


def config_for(model: Model, width: int, layers: int) -> LatentTransformerConfig:
    """Return the network's configuration for a model and its own settings."""
    generator, settings = model.generator, model.info.settings
    synthesis = generator.synthesis
    tall_blocks = [name for name in synthesis.block_names if synthesis.feature_height(name) >= FEATURE_HEIGHT]
    feature_block = (tall_blocks or [synthesis.block_names[-1]])[0]
    ws = generator.mapping(torch.zeros(1, generator.config.z_dim, device=generator.device))
    return LatentTransformerConfig(
        generator_sha256=generator_checksum(generator),
        model=model.name,
        feature_block=feature_block,
        feature_channels=synthesis(ws, features=(feature_block,)).features[feature_block].shape[1],
        w_dim=generator.config.w_dim,
        predicted_rows=1 if settings.space == "w" else settings.layers,
        moved_rows=settings.layers,
        width=width,
        layers=layers,
    )


@torch.no_grad()
def draw_round(
    model: Model, config: LatentTransformerConfig, rng: np.random.Generator, latent_count: int, change_count: int
) -> SampleRound:
    """Return `change_count` changes of each of `latent_count` latents.

    Raises:
        InputError: the model has no known landmarks, and OpenCV is not installed.
    """
    draw = _draw_scenes if has_known_landmarks(model) and config.predicted_rows == 1 else _draw_flows
    return draw(model, config, rng, latent_count, change_count)


def turn_towards(latents: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn standard normal latents towards others by `CHANGE_ANGLE`. The results are standard normal too."""
    return math.cos(CHANGE_ANGLE) * latents + math.sin(CHANGE_ANGLE) * others


def _draw_scenes(
    model: Model, config: LatentTransformerConfig, rng: np.random.Generator, latent_count: int, change_count: int
) -> SampleRound:
    image_height = model.generator.image_shape[0]
    z = rng.standard_normal((latent_count, Z_DIM))
    changed_z = _change_z(z, rng, change_count)
    scene, changed_scene = build_scene(z), build_scene(changed_z.reshape(-1, Z_DIM))
    landmarks = to_pixels(scene.landmarks.points, image_height)
    changed_landmarks = to_pixels(changed_scene.landmarks.points, image_height).reshape(
        latent_count, change_count, -1, 2
    )
    is_visible = changed_scene.landmarks.visible.reshape(latent_count, change_count, -1)
    is_visible = is_visible & scene.landmarks.visible[:, None]
    backdrop_points, in_backdrop = _backdrop_points(scene, rng)
    points = np.concatenate([landmarks, to_pixels(backdrop_points, image_height)], axis=1)
    motions = np.zeros((latent_count, change_count, points.shape[1], 2))
    motions[:, :, : landmarks.shape[1]] = changed_landmarks - landmarks[:, None]
    usable = np.concatenate([is_visible, np.repeat(in_backdrop[:, None], change_count, axis=1)], axis=2)
    ws = _map_z(model, z)
    w = ws[:, : config.predicted_rows].cpu()
    changed_w = (
        _map_z(model, changed_z.reshape(-1, Z_DIM))[:, : config.predicted_rows]
        .cpu()
        .view(latent_count, change_count, *w.shape[1:])
    )
    return SampleRound(
        w=w,
        changes=changed_w - w[:, None],
        features=_features_at(model, config, ws, points),
        motions=torch.from_numpy(motions.astype(np.float32)),
        usable=torch.from_numpy(usable),
        backdrop=torch.arange(points.shape[1]) >= landmarks.shape[1],
    )


def _change_z(z: NDArray[np.float64], rng: np.random.Generator, change_count: int) -> NDArray[np.float64]:
    """Return changes of z `[N, Z_DIM]`, `[N, change_count, Z_DIM]`, in the components that move landmarks."""
    shape = (len(z), change_count, Z_DIM)
    z = np.repeat(z[:, None], change_count, axis=1)
    change_shares = np.where(rng.random(shape[:2]) < WHOLE_CHANGE_SHARE, 1.0, rng.random(shape[:2]))
    is_changed = rng.random(shape) < change_shares[..., None]
    is_changed &= np.isin(np.arange(Z_DIM), MOVING_COMPONENTS)
    return np.where(is_changed, turn_towards(z, rng.standard_normal(shape)), z)


def _backdrop_points(scene: Scene, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return random points `[N, BACKDROP_POINTS, 2]` of the image plane, and whether no part of the animal is near them."""
    candidates = rng.uniform(-0.97, 0.97, (len(scene.centre), BACKDROP_CANDIDATES, 2))
    offsets = np.abs(candidates[:, :, None] - scene.centre[:, None, :, :2])
    is_outside_part = np.any(offsets > scene.extent[:, None] + 0.03, axis=3)
    in_backdrop = np.all(is_outside_part, axis=2)
    order = np.argsort(~in_backdrop, axis=1, kind="stable")[:, :BACKDROP_POINTS]
    return np.take_along_axis(candidates, order[..., None], axis=1), np.take_along_axis(in_backdrop, order, axis=1)


def _draw_flows(
    model: Model, config: LatentTransformerConfig, rng: np.random.Generator, latent_count: int, change_count: int
) -> SampleRound:
    generator, rows = model.generator, config.predicted_rows
    ws = _map_z(model, rng.standard_normal((latent_count, generator.config.z_dim)))
    other_z = rng.standard_normal((latent_count * change_count * rows, generator.config.z_dim))
    other_w = _map_z(model, other_z)[:, 0].view(latent_count, change_count, rows, -1)
    mean_w = _map_z(model, np.random.RandomState(0).randn(1000, generator.config.z_dim))[:, 0].mean(dim=0)
    w = ws[:, :rows]
    changed_w = mean_w + math.cos(CHANGE_ANGLE) * (w[:, None] - mean_w) + math.sin(CHANGE_ANGLE) * (other_w - mean_w)
    grid_axis = (np.arange(FLOW_GRID) + 0.5) / FLOW_GRID
    image_height, image_width = generator.image_shape
    y, x = np.meshgrid(grid_axis * image_height - 0.5, grid_axis * image_width - 0.5, indexing="ij")
    points = np.broadcast_to(np.stack([x, y], axis=-1).reshape(1, -1, 2), (latent_count, FLOW_GRID**2, 2))
    motions = torch.zeros(latent_count, change_count, FLOW_GRID**2, 2)
    for i, j in np.ndindex(latent_count, change_count):
        changed_ws = ws[i : i + 1].clone()
        changed_ws[:, : config.moved_rows] = changed_w[i, j]
        motions[i, j] = _grid_flow(model, ws[i : i + 1], changed_ws)
    return SampleRound(
        w=w.cpu(),
        changes=(changed_w - w[:, None]).cpu(),
        features=_features_at(model, config, ws, points),
        motions=motions,
        usable=torch.ones(motions.shape[:3], dtype=torch.bool),
        backdrop=torch.zeros(FLOW_GRID**2, dtype=torch.bool),
    )


def _grid_flow(model: Model, ws: Tensor, changed_ws: Tensor) -> Tensor:
    """Return how far the points of a grid move from the first image to the second, `[FLOW_GRID², 2]` in image pixels."""
    image_heights = model.generator.synthesis.image_heights
    render_height = next((height for height in image_heights if height >= FLOW_HEIGHT), image_heights[-1])
    images = [to_uint8(model.generator.synthesis(latent, image=render_height).image) for latent in (ws, changed_ws)]
    flow = dis_flow()(*images)
    rows, columns = (
        np.round(rescale(np.arange(FLOW_GRID), FLOW_GRID, length)).astype(int) for length in flow.shape[:2]
    )
    grid_flow = flow[np.ix_(rows, columns)].reshape(-1, 2)
    return torch.from_numpy(grid_flow * (model.generator.image_shape[0] / render_height))


def _map_z(model: Model, z: NDArray[np.float64]) -> Tensor:
    """Return ws of z, truncated as the model's images usually are."""
    z_tensor = torch.from_numpy(z.astype(np.float32)).to(model.generator.device)
    ws: Tensor = model.generator.mapping(z_tensor, psi=model.info.psi)
    return ws


def _features_at(model: Model, config: LatentTransformerConfig, ws: Tensor, points: NDArray[np.float64]) -> Tensor:
    """Return the features at points `[N, T, 2]` (image pixels), float16 `[N, T, C]`."""
    image_height, image_width = model.generator.image_shape
    point_tensor = torch.from_numpy(points.astype(np.float32)).to(ws.device)
    batches = []
    for ws_batch, point_batch in zip(
        torch.split(ws, FEATURE_BATCH), torch.split(point_tensor, FEATURE_BATCH), strict=True
    ):
        block = config.feature_block
        feature_map = model.generator.synthesis(ws_batch, features=(block,)).features[block]
        batches.append(sample_features(feature_map, point_batch, Size(image_width, image_height)).half().cpu())
    return torch.cat(batches)
