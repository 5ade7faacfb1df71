"""Drags of every family of models run and end with a reason, and move the same place in the features and in the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.checkpoints.formats.infer_config import infer_stylegan2_part
from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Point, Size, convert
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop, DragStep
from draggan_engine.networks.config import StyleGAN2Config, StyleGAN3Config, pyramid_channels
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from tests.support.nvidia_files import write_nvidia_pickle
from tests.support.paths import CHECKPOINTS

CHECKPOINT_FILES = sorted(path for path in CHECKPOINTS.iterdir() if path.suffix in (".pkl", ".pt"))


def random_stylegan2(resolution: int, const_size: tuple[int, int] = (4, 4)) -> Generator:
    torch.manual_seed(0)
    channels = pyramid_channels(resolution, max(resolution * 2, 64), 8)
    config = StyleGAN2Config(
        resolution=resolution, z_dim=16, w_dim=16, mapping_layers=2, channels=channels, const_size=const_size
    )
    return Generator(config)


def random_stylegan3(*, radial: bool, resolution: int = 64, square: bool = True) -> Generator:
    torch.manual_seed(0)
    config = StyleGAN3Config(
        resolution=resolution, z_dim=16, w_dim=16, num_layers=6, channel_base=1024, channel_max=24,
        conv_kernel=1 if radial else 3, use_radial_filters=radial, square=square,
    )  # fmt: skip
    return Generator(config)


def test_hidden_mapping_layers_may_have_another_width(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = StyleGAN2Config(
        resolution=16, z_dim=12, w_dim=16, mapping_layers=3, mapping_features=20, channels=(8, 8, 8)
    )
    network = Generator(config)
    assert [tuple(network.mapping.get_submodule(f"fc{i}").weight.shape) for i in range(3)] == [
        (20, 12), (20, 20), (16, 20),
    ]  # fmt: skip
    model = load_model(str(write_nvidia_pickle(tmp_path / "model.pkl", network)), "cpu")
    ws = latent_of_seed(network, 0, 1.0)
    assert np.array_equal(latent_of_seed(model.generator, 0, 1.0), ws)
    tensors = {key: tensor for key, tensor in network.state_dict().items() if "resample_filter" not in key}
    stated_values = {"mapping_lr_multiplier": config.mapping_lr_multiplier}
    assert infer_stylegan2_part(tensors, stated_values, "file").config == config, (
        "the width also follows from the shapes"
    )


def finish_drag(
    model: Model, pairs: list[tuple[Point, Point]], mask: np.ndarray | None = None, **settings: object
) -> DragEnd:
    drag_settings = DragSettings.model_validate({**model.info.settings.model_dump(), **settings})
    drag = DragLoop(model.generator, latent_of_seed(model.generator, 0, 1.0), pairs, mask, drag_settings)
    *steps, end = drag.steps()
    assert isinstance(end, DragEnd)
    assert len(steps) == end.step
    assert all(isinstance(step, DragStep) and np.isfinite(step.loss) for step in steps)
    return end


def check_drag(model: Model, steps: int = 4) -> None:
    width, height = model.info.size
    pairs = [
        ((width * 0.25, height * 0.4), (width * 0.25 + 3, height * 0.4)),
        ((width * 0.7, height * 0.6), (width * 0.7, height * 0.6 - 2)),
    ]
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 :, :] = 1
    for space in ("w+", "w"):
        end = finish_drag(model, pairs, mask, max_steps=steps, step_size=0.02, space=space)
        assert end.reason in ("reached", "max_steps")
        start_ws = latent_of_seed(model.generator, 0, 1.0)
        has_moved = (end.ws != start_ws).any(dim=2)[0]
        assert has_moved.any()  # not all rows, because the input of a new StyleGAN3 ignores w
        assert not has_moved[model.info.settings.layers :].any()


@pytest.mark.parametrize("path", CHECKPOINT_FILES, ids=lambda path: path.stem)
def test_a_drag_of_every_fixture(path: Path) -> None:
    check_drag(load_model(str(path), "cpu"))


@pytest.mark.parametrize("resolution", [16, 256, 2048])
def test_a_drag_of_stylegan2_at_any_resolution(resolution: int, tmp_path: Path) -> None:
    model = load_model(str(write_nvidia_pickle(tmp_path / "m.pkl", random_stylegan2(resolution))), "cpu")
    assert model.info.size == (resolution, resolution)
    assert model.info.settings.feature_block == f"b{min(resolution // 2, 128)}"
    check_drag(model, steps=4 if resolution < 1024 else 1)


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize("resolution", [16, 256])
def test_a_drag_of_stylegan3_at_any_resolution(radial: bool, resolution: int, tmp_path: Path) -> None:
    model = load_model(
        str(write_nvidia_pickle(tmp_path / "m.pkl", random_stylegan3(radial=radial, resolution=resolution))), "cpu"
    )
    assert model.info.family == ("StyleGAN3-r" if radial else "StyleGAN3-t")
    assert model.generator.synthesis.feature_height(model.info.settings.feature_block) == (
        128 if resolution > 16 else 16
    )
    check_drag(model)


# The same place in the image and in the features --------------------------------------------------------


def centre_of(change: Tensor) -> Point:
    """Return the centre of mass of a map of changes `[1, C, h, w]`, in pixels of the map."""
    weight = change[0].abs().sum(dim=0)
    y, x = (torch.arange(n, dtype=weight.dtype) for n in weight.shape)
    total = weight.sum()
    return float((weight.sum(dim=0) * x).sum() / total), float((weight.sum(dim=1) * y).sum() / total)


@pytest.mark.parametrize("const_size", [(4, 4), (4, 2), (4, 7), (5, 8)])
@pytest.mark.parametrize("block", ["b16", "b32"])
@pytest.mark.parametrize("position", [(0.1, 0.2), (0.5, 0.5), (0.8, 0.3), (0.7, 0.9)])
def test_a_change_of_the_noise_is_at_the_same_place_of_features_and_image(
    const_size: tuple[int, int], block: str, position: tuple[float, float]
) -> None:
    """The images of StyleGAN-Human are twice as high as wide; others may have any size."""
    generator = random_stylegan2(64, const_size).eval().requires_grad_(False)
    height, width = generator.image_shape
    assert (height, width) == (16 * const_size[0], 16 * const_size[1])
    layer = generator.synthesis.get_submodule(block).get_submodule("conv1")
    layer.get_parameter("noise_strength").fill_(1)
    ws = latent_of_seed(generator, 0, 1.0)
    before = generator.synthesis(ws, features=[block], image=height)
    noise = layer.get_buffer("noise_const")
    row, column = int(position[0] * noise.shape[0]), int(position[1] * noise.shape[1])
    noise[row, column] += 0.1
    after = generator.synthesis(ws, features=[block], image=height)
    assert after.image is not None
    assert before.image is not None
    change = (after.features[block] - before.features[block])[0].abs().sum(dim=0)
    assert change.nonzero().tolist() == [[row, column]]
    expected_centre = convert((column, row), Size(noise.shape[1], noise.shape[0]), Size(width, height))
    assert centre_of(after.image - before.image) == pytest.approx(expected_centre, abs=0.75 * height / noise.shape[0])


@pytest.mark.parametrize("layer_index", [1, 4])
@pytest.mark.parametrize("position", [(0.3, 0.3), (0.5, 0.7), (0.75, 0.4)])
def test_a_change_in_a_tall_stylegan3_is_at_the_same_place_of_features_and_image(
    layer_index: int, position: tuple[float, float]
) -> None:
    generator = random_stylegan3(radial=True, square=False).eval().requires_grad_(False)
    assert generator.image_shape == (64, 32)
    layer = generator.config.layer_shapes[layer_index]
    top, left = (layer.size - layer.rate) // 2, (layer.width - layer.rate // 2) // 2
    row, column = int(position[0] * layer.rate), int(position[1] * layer.rate / 2)

    def change_map(_: torch.nn.Module, __: object, full_map: Tensor) -> Tensor:
        full_map = full_map.clone()
        full_map[:, :, top + row, left + column] += 0.1
        return full_map

    ws = latent_of_seed(generator, 0, 1.0)
    before = generator.synthesis(ws, features=[layer.name], image=64)
    generator.synthesis.get_submodule(layer.name).register_forward_hook(change_map)
    after = generator.synthesis(ws, features=[layer.name], image=64)
    assert after.image is not None
    assert before.image is not None
    assert after.features[layer.name].shape[2:] == (layer.rate, layer.rate // 2)
    change = (after.features[layer.name] - before.features[layer.name])[0].abs().sum(dim=0)
    assert change.nonzero().tolist() == [[row, column]]
    expected_centre = convert((column, row), Size(layer.rate // 2, layer.rate), Size(32, 64))
    assert centre_of((after.image - before.image).square()) == pytest.approx(expected_centre, abs=32 / layer.rate)


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize("movement", [(6.0, 0.0), (-4.0, 5.0)])
def test_a_drag_of_stylegan3_moves_the_image_with_the_handle(radial: bool, movement: Point, tmp_path: Path) -> None:
    """The first row of ws is made to move the whole image and to do nothing else.

    A drag then moves the image by as many pixels as the handle, but only if the cropped features are where the image is.
    """
    generator = random_stylegan3(radial=radial)
    affine = generator.synthesis.get_submodule("input.affine")
    with torch.no_grad():
        affine.get_parameter("weight").zero_()
        affine.get_parameter("weight")[2, 0] = affine.get_parameter("weight")[3, 1] = 4.0
        affine.get_parameter("bias").copy_(torch.tensor([1.0, 0, 0, 0]))
    model = load_model(str(write_nvidia_pickle(tmp_path / "m.pkl", generator)), "cpu")
    assert model.info.size == (64, 64)
    handle = (30.0, 33.0)
    target = (handle[0] + movement[0], handle[1] + movement[1])
    end = finish_drag(model, [(handle, target)], layers=1, step_size=0.01, max_steps=200, r1=6, r2=8)
    assert end.reason == "reached"
    start_ws, end_ws = latent_of_seed(model.generator, 0, 1.0), end.ws
    loaded_affine = model.generator.synthesis.get_submodule("input.affine")
    translation = (loaded_affine(end_ws[:, 0] - start_ws[:, 0])[0] - affine.bias)[2:]
    assert (translation * 64).tolist() == pytest.approx(movement, abs=1.5)
    before, after = (model.generator.synthesis(ws).image for ws in (start_ws, end_ws))
    assert before is not None
    assert after is not None
    errors = {
        (dx, dy): float(
            (after[0, :, 16 + dy : 48 + dy, 16 + dx : 48 + dx] - before[0, :, 16:48, 16:48]).square().mean()
        )
        for dx in range(-10, 11)
        for dy in range(-10, 11)
    }
    assert min(errors, key=errors.__getitem__) == pytest.approx(movement, abs=1.5)


def test_the_settings_of_a_tall_model_fit_its_height(tmp_path: Path) -> None:
    model = load_model(str(write_nvidia_pickle(tmp_path / "m.pkl", random_stylegan2(1024, (4, 2)))), "cpu")
    assert model.info.size == (512, 1024)
    assert (model.info.settings.r1, model.info.settings.feature_block) == (6.0, "b128")
