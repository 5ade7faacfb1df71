"""Training of the bundled models: it learns, it can be resumed and continued, and the model file has what was learned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from draggan_engine.checkpoints.formats.native import save_native
from draggan_engine.checkpoints.formats.native_header import NativeInfo
from draggan_engine.checkpoints.loader import load_model
from draggan_engine.checkpoints.model_parts import GeneratorPart
from draggan_engine.core.edit import DragSettings
from draggan_engine.critters.scene.animal_parameters import Z_DIM, z_of_seed
from draggan_engine.critters.scene.render import render_scene
from draggan_engine.critters.scene.scene import build_scene
from draggan_engine.critters.training import disentanglement, export, face_crops, model_card, train
from draggan_engine.critters.training.export import settings_for_resolution, shorten_weights
from draggan_engine.critters.training.losses import discriminator_loss, generator_loss, gradient_penalty
from draggan_engine.critters.training.mapping_pretraining import pretrain_mapping
from draggan_engine.critters.training.metrics import generate_scene_images, interpolate_seeds, measure_errors
from draggan_engine.critters.training.muon import orthogonalize
from draggan_engine.critters.training.presets import PRESETS, TrainingPreset, TrainingStage
from draggan_engine.critters.training.progressive_growing import can_grow_into, copy_weights
from draggan_engine.critters.training.trainer import MEAN_LATENTS, W_JITTER, Trainer, TrainingStep
from draggan_engine.critters.training.training_data import (
    SCHEDULE,
    SHAPING_ROWS,
    RepetitionSchedule,
    TrainingBatch,
    draw_batch,
    training_batches,
)
from draggan_engine.critters.training.w_whitening import (
    equalize_scales,
    mapping_layer,
    sample_w,
    sample_z,
    unwhiten_w,
    whiten_w,
)
from draggan_engine.networks.config import DiscriminatorConfig, StyleGAN2Config
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.mapping import MappingNetwork

TOY = TrainingPreset(
    name="toy",
    generator=StyleGAN2Config(resolution=16, z_dim=Z_DIM, w_dim=64, mapping_layers=2, channels=(48, 48, 48)),
    discriminator=DiscriminatorConfig(resolution=16, channels=(32, 32, 32), mapping_layers=0),
    batch=8,
    workers=1,
    ema=0.9,
    stages=(
        TrainingStage(8, 480, 0.02, 0.004),
        TrainingStage(16, 160, 0.01, 0.002),
        TrainingStage(16, 160, 0.003, 0.0005, adversarial=0.01),
    ),
)


def run(trainer: Trainer, steps: int | None = None) -> list[TrainingStep]:
    steps_made = []
    for progress in trainer.steps():
        steps_made.append(progress)
        if len(steps_made) == steps:
            break
    return steps_made


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return trainer.ema.state_dict() | {f"D.{k}": v for k, v in trainer.discriminator.state_dict().items()}


@pytest.fixture(scope="module")
def whole() -> tuple[Trainer, list[TrainingStep]]:
    trainer = Trainer(TOY, seed=1)
    return trainer, run(trainer)


def test_training_learns(whole: tuple[Trainer, list[TrainingStep]]) -> None:
    trainer, steps = whole
    assert len(steps) == trainer.total_steps == trainer.step == 100
    loss = [step.distillation for step in steps]
    assert np.mean(loss[50:60]) < 0.8 * np.mean(loss[:5])
    assert measure_errors(trainer.ema, 16).whole < 0.8 * measure_errors(Trainer(TOY, seed=1).ema, 16).whole


def test_the_discriminator_is_trained_in_its_stage_only(whole: tuple[Trainer, list[TrainingStep]]) -> None:
    assert [progress.adversarial > 0 for progress in whole[1]] == [False] * 80 + [True] * 20
    assert whole[0].discriminator_trained
    trainer = Trainer(TOY, seed=1)
    before = [p.clone() for p in trainer.discriminator.parameters()]
    run(trainer, 3)
    assert not trainer.discriminator_trained
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.discriminator.parameters(), strict=True))


@pytest.mark.parametrize("after", [30, 90])
def test_a_resumed_run_is_the_same_run(tmp_path: Path, whole: tuple[Trainer, list[TrainingStep]], after: int) -> None:
    first = Trainer(TOY, seed=1)
    run(first, after)
    first.save(tmp_path / "state.pt")
    second = Trainer(TOY, seed=1)
    second.load(tmp_path / "state.pt")
    run(second)
    ours, theirs = weights(second), weights(whole[0])
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_run_continues_from_the_weights_of_another_run(
    tmp_path: Path, whole: tuple[Trainer, list[TrainingStep]]
) -> None:
    trainer = Trainer(TOY, seed=2)
    trainer.continue_from(whole[0].ema, whole[0].discriminator)
    assert trainer.total_steps == 40, "the full resolution's stages"
    assert measure_errors(trainer.ema, 16).whole == pytest.approx(measure_errors(whole[0].ema, 16).whole, rel=1e-4)
    assert trainer.discriminator_trained
    assert sample_w(trainer.generator).std(dim=0).detach().numpy() == pytest.approx(math.sqrt(2), rel=1e-3)
    run(trainer, 2)
    trainer.save(tmp_path / "state.pt")
    again = Trainer(TOY, seed=2)
    again.load(tmp_path / "state.pt")
    assert (again.step, again.total_steps) == (2, 40)


def test_a_wider_network_is_trained_in_all_stages() -> None:
    narrow = Generator(TOY.generator.model_copy(update={"channels": (32, 48, 32)})).requires_grad_(False)
    trainer = Trainer(TOY, seed=1)
    trainer.continue_from(narrow, None)
    assert trainer.stages == TOY.stages
    before, after = (generate_scene_images(network, range(2), 16) for network in (narrow, trainer.ema))
    assert torch.allclose(before, after, atol=1e-5)


def test_a_larger_network_continues_from_a_smaller_one() -> None:
    """At first its images are the upsampled images of the smaller network. All new weights learn."""
    smaller = TOY.generator.model_copy(update={"resolution": 8, "channels": (48, 32)})
    assert can_grow_into(smaller, TOY.generator)
    assert not can_grow_into(smaller.model_copy(update={"channels": (48, 64)}), TOY.generator)
    assert not can_grow_into(smaller.model_copy(update={"w_dim": 8}), TOY.generator)
    assert not can_grow_into(TOY.generator, smaller)
    generator = Generator(smaller).requires_grad_(False)
    discriminator = Discriminator(TOY.discriminator.model_copy(update={"resolution": 8, "channels": (32, 32)}))
    trainer = Trainer(TOY, seed=1)
    trainer.continue_from(generator, discriminator)
    assert not trainer.discriminator_trained
    assert trainer.stages == TOY.stages, "new weights need all stages"
    small, large = (
        generate_scene_images(network, range(2), size) for network, size in ((generator, 8), (trainer.ema, 16))
    )
    block = trainer.generator.synthesis.get_submodule("b16")
    ws = torch.zeros(2, TOY.generator.w_dim)
    with torch.no_grad():
        assert torch.allclose(block.add_to_image(small, torch.zeros(2, 48, 16, 16), ws), large, atol=1e-5)
    weights = dict(trainer.generator.named_parameters())
    added = {
        "synthesis.b8.conv1.weight": np.s_[:32, 32:],  # from new channels to old ones
        "synthesis.b8.torgb.weight": np.s_[:, 32:],
    }
    assert not any(weights[name][where].any() for name, where in added.items())
    run(trainer, 1)
    assert all(weights[name][where].all() for name, where in added.items())


def test_a_mapping_with_more_features_continues_from_a_smaller_one() -> None:
    """At first the images are the same. New features are pretrained."""
    pretrained: list[tuple[int, ...]] = []

    def pretrain(_mapping: MappingNetwork, fixed_features: Sequence[int], _seed: int) -> float:
        pretrained.append(tuple(fixed_features))
        return 0.0

    more = TOY.generator.model_copy(update={"mapping_layers": 3, "mapping_features": 96})
    assert can_grow_into(TOY.generator, more)
    assert not can_grow_into(more, TOY.generator)
    assert not can_grow_into(TOY.generator, more.model_copy(update={"mapping_layers": 4}))
    assert not can_grow_into(TOY.generator, more.model_copy(update={"mapping_features": 48}))
    torch.manual_seed(0)
    small = Generator(TOY.generator).requires_grad_(False)
    trainer = Trainer(replace(TOY, generator=more), seed=1)
    trainer.continue_from(small, None, pretrain)
    before, after = (generate_scene_images(network, range(3), 16) for network in (small, trainer.ema))
    assert torch.allclose(before, after, atol=1e-4 * float(before.abs().max()))
    assert pretrained == [(64, 64)]
    trainer.continue_from(trainer.ema, None, pretrain)
    assert pretrained == [(64, 64)], "no feature is new"
    run(trainer, 1)
    new_weights = mapping_layer(trainer.generator.mapping, 2).weight[:, 64:] != 0
    assert float(new_weights.float().mean()) > 0.9


def test_a_pretrained_mapping_describes_the_scene() -> None:
    torch.manual_seed(0)
    small = Generator(TOY.generator).requires_grad_(False)
    large = Generator(TOY.generator.model_copy(update={"mapping_layers": 3, "mapping_features": 256}))
    copy_weights(small, large)
    old_weights = [mapping_layer(large.mapping, i).weight[:64].clone() for i in range(2)]
    assert pretrain_mapping(large.mapping, (64, 64), 3, step_count=120) < 0.75, "an error of 1 is that of the means"
    assert all(torch.equal(old_weights[i], mapping_layer(large.mapping, i).weight[:64]) for i in range(2))


def test_a_step_keeps_the_means_of_dense_layers() -> None:
    trainer = Trainer(TOY, seed=1)
    z = sample_z(trainer.generator, MEAN_LATENTS)
    z = z / z.square().mean(dim=1, keepdim=True).sqrt()
    first = mapping_layer(trainer.generator.mapping, 0)

    def linear() -> Tensor:
        return z @ first.weight.detach().t() * first.gain + first.bias.detach() * first.lr_multiplier

    for p in trainer.generator.parameters():
        p.grad = torch.randn_like(p)
    before = linear()
    trainer.step_matrices(0.01)
    assert (linear() - before).abs().mean() > 0.003
    assert torch.allclose(linear().mean(dim=0), before.mean(dim=0), atol=1e-5)


def test_growing_changes_no_image() -> None:
    """Before its first step, a larger stage generates the upsampled images of the smaller one."""
    trainer = Trainer(TOY, seed=1)
    run(trainer, 5)
    ws = trainer.generator.mapping(torch.from_numpy(z_of_seed(3).astype(np.float32)))
    synthesis = trainer.generator.synthesis
    small, large = synthesis(ws, image=8).image, synthesis(ws, image=16).image
    assert torch.allclose(
        synthesis.get_submodule("b16").add_to_image(small, torch.zeros(1, 48, 16, 16), ws[:, 5]), large
    )


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((32, 128), (128, 32), (48, 48)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(*shape)))
        assert values.min() > 0.3
        assert values.max() < 1.4


def min_deviation(generator: Generator) -> float:
    """Return the smallest standard deviation of w along any direction."""
    z = torch.from_numpy(np.random.RandomState(1).randn(20_000, Z_DIM).astype(np.float32))
    with torch.no_grad():
        w = generator.mapping(z)[:, 0].double()
    return float(torch.linalg.eigvalsh(torch.cov(w.T))[0]) ** 0.5


@pytest.mark.parametrize("features", [None, 80])
def test_rescaling_w_changes_no_image(features: int | None) -> None:
    torch.manual_seed(0)
    config = TOY.generator.model_copy(update={"mapping_features": features})
    generator = Generator(config).requires_grad_(False)
    z = torch.randn(4, Z_DIM)
    mapped = generator.mapping(z)
    before = generator.synthesis(mapped).image
    close = 1e-4 * float(before.abs().max())

    wide = whiten_w(generator)
    assert min_deviation(generator) < 0.5
    assert 0.8 < min_deviation(wide) < 1.2
    ws = wide.mapping(z)
    assert torch.allclose(before, wide.synthesis(ws).image, atol=close)
    assert torch.allclose(wide.mapping.w_avg, wide.mapping(torch.randn(5000, Z_DIM))[:, 0].mean(dim=0), atol=0.2)
    # A drag needs this for every w: beyond the animals too, a straight line leads to the same images.
    beyond = [mapped[:1] + 3 * (mapped[1:2] - mapped[:1]), ws[:1] + 3 * (ws[1:2] - ws[:1])]
    far, as_far = generator.synthesis(beyond[0]).image, wide.synthesis(beyond[1]).image
    assert torch.allclose(far, as_far, atol=1e-3 * float(far.abs().max()))

    again = unwhiten_w(wide)
    assert again.config == generator.config
    assert torch.allclose(before, again.synthesis(again.mapping(z)).image, atol=close)

    equalize_scales(again)
    assert sample_w(again).std(dim=0).numpy() == pytest.approx(math.sqrt(2), rel=1e-3)
    styles = again.synthesis.get_submodule("b8.conv1.affine")(sample_w(again))
    assert float(styles.square().mean()) == pytest.approx(1, rel=1e-3)
    assert torch.allclose(before, again.synthesis(again.mapping(z)).image, atol=close)


@pytest.mark.parametrize(
    # The card says 0.0242, 0.0750, 0.0257 and 0.0226, 0.0592, 0.0238 for the seeds 0–63.
    ("name", "whole", "parts", "recoloured"),
    [("critters-128", 0.028, 0.083, 0.031), ("critters-256", 0.026, 0.066, 0.028)],
)
def test_the_bundled_models_generate_the_scenes(name: str, whole: float, parts: float, recoloured: float) -> None:
    """The figures of the model card, on a smaller sample."""
    generator = load_model(name, "cpu").generator
    scene_errors = measure_errors(generator, generator.config.resolution, range(100, 116))
    assert scene_errors.whole < whole
    assert scene_errors.parts < parts
    scene_errors = measure_errors(generator, generator.config.resolution, range(100, 116), range(200, 216))
    assert scene_errors.whole < recoloured


@pytest.mark.parametrize("name", ["critters-128", "critters-256"])
def test_w_of_the_bundled_models_has_no_narrow_direction(name: str) -> None:
    """Otherwise the steps of a drag would lead to impossible images, which no mask could prevent."""
    assert 0.3 < min_deviation(load_model(name, "cpu").generator) < 1.2


def test_a_step_gets_its_batch() -> None:
    drawn = list(training_batches((3,), 2, [(5, 8, False), (6, 8, False), (7, 16, False)]))
    assert [tuple(batch.images.shape) for batch in drawn] == [(2, 3, 8, 8), (2, 3, 8, 8), (2, 3, 16, 16)]
    again = draw_batch((3,), SCHEDULE.batch_number(6), 2, 8)
    assert all(torch.equal(a, b) for a, b in zip(drawn[1][:4], again[:4], strict=True))
    assert not torch.equal(drawn[0].z, drawn[1].z)
    assert list(training_batches((3,), 2, [])) == []


def test_batches_are_drawn_once_and_used_again() -> None:
    numbers: list[int] = []

    def draw(seed: tuple[int, ...], number: int, count: int, resolution: int, crop_faces: bool) -> TrainingBatch:
        numbers.append(number)
        return draw_batch(seed, number, count, resolution, crop_faces)

    schedule = RepetitionSchedule(repetitions=2, distance=3)
    drawn = list(training_batches((3,), 1, [(step, 4, False) for step in range(13)], schedule, draw))
    order = [3, 0, 4, 1, 5, 2, 6, 3, 7, 4, 8, 5, 9]
    assert numbers == [3, 0, 4, 1, 5, 2, 6, 7, 8, 9]
    assert all(
        torch.equal(batch.z, draw_batch((3,), number, 1, 4).z) for batch, number in zip(drawn, order, strict=True)
    )
    resumed = list(training_batches((3,), 1, [(step, 4, False) for step in range(4, 13)], schedule, draw))
    assert all(torch.equal(a.z, b.z) for a, b in zip(drawn[4:], resumed, strict=True))


def test_face_crops_are_windows_of_the_images() -> None:
    batch = draw_batch((3,), 5, 10, 64, crop_faces=True)
    assert batch.corners is not None
    assert batch.images.shape == (10, 3, *face_crops.window_size(64)) == (10, 3, 26, 30)
    whole = draw_batch((3,), 5, 10, 64)
    assert torch.equal(batch.z, whole.z)
    windows = face_crops.crop_windows(whole.images, batch.corners, (26, 30))
    assert (batch.images - windows).abs().mean() < 1e-3  # not equal, because rays of neighbouring pixels share a light
    faces = batch.weight.amin(dim=(1, 2, 3)) == 1
    assert int(faces.sum()) == 7
    assert (batch.weight[faces] > 1).sum() == (whole.weight[faces] > 1).sum(), "all face parts are in the windows"
    assert batch.weight[~faces].amin() == face_crops.RANDOM_WINDOW_WEIGHT


def test_generated_windows_are_those_of_the_whole_images() -> None:
    batch = draw_batch((3,), 5, 10, 64, crop_faces=True)
    assert batch.corners is not None
    config = TOY.generator.model_copy(update={"resolution": 128, "channels": (8,) * 6})
    generator = Generator(config).requires_grad_(False)
    ws = generator.mapping(batch.z)
    images = generator.synthesis(ws).image
    corners = batch.corners * 2
    corners[0], corners[1] = (0, 0), (128 - 52, 128 - 60)
    windows = face_crops.crop_windows(images, corners, (52, 60))
    difference = (face_crops.generate_windows(generator.synthesis, ws, corners, torch.float32) - windows).abs()
    assert difference[:, :, 1:-1, 1:-1].max() < 0.02 * images.std()
    assert difference.mean() < 1e-3 * images.std()


def test_face_crops_are_learned() -> None:
    config = TOY.generator.model_copy(update={"resolution": 64, "channels": (48, 48, 48, 24, 16)})
    stage = TrainingStage(64, 320, 0.02, 0.004, crop_faces=True)
    trainer, drawn = Trainer(replace(TOY, generator=config), seed=1), draw_batch((3,), 5, 8, 64, crop_faces=True)
    loss = [trainer.train_step(stage, 0.0, drawn).distillation for _ in range(30)]
    assert np.mean(loss[-4:]) < 0.9 * loss[0]


def test_half_of_a_batch_has_the_colours_of_other_animals() -> None:
    drawn = draw_batch((3,), 5, 4, 32)
    assert [bool(same) for same in (drawn.z == drawn.colouring).all(dim=1)] == [False, False, True, True]
    assert torch.equal(*draw_batch((3,), 5, 4, 16)[:2]), "smaller images have no rows of colours"
    own, other = (torch.from_numpy(render_scene(build_scene(z.double().numpy()), 32)) for z in drawn[:2])
    assert (own - drawn.images).abs().mean(dim=(1, 2, 3))[2:].max() < 1e-4
    assert (own - drawn.images).abs().mean(dim=(1, 2, 3))[:2].min() > 0.05
    corner = np.s_[:2, :, :3, :3]  # the backdrop's
    assert (other[corner] - drawn.images[corner]).abs().max() < 0.02 < (own[corner] - other[corner]).abs().mean()


def test_drags_do_not_change_the_rows_of_colours() -> None:
    assert SHAPING_ROWS == DragSettings().layers == export.SETTINGS_AT_128.layers
    config = TOY.generator.model_copy(update={"resolution": 32, "channels": (8,) * 4})
    trainer = Trainer(replace(TOY, generator=config), seed=1)
    generator, drawn = trainer.generator, draw_batch((3,), 5, 4, 32)
    shaping, colouring = (generator.mapping(z).detach() for z in (drawn.z, drawn.colouring))
    ws_inputs: list[Tensor] = []
    generator.synthesis.register_forward_pre_hook(lambda _, arguments: ws_inputs.append(arguments[0].detach()))
    trainer.train_step(TrainingStage(32, 4, 0.0, 0.0), 0.0, drawn)
    noise = 2 * W_JITTER * float(shaping.std())
    assert 0 < float((ws_inputs[0][:, :6] - shaping[:, :6]).std()) < noise
    assert 0 < float((ws_inputs[0][:, 6:] - colouring[:, 6:]).std()) < noise


def test_the_gradient_penalty_is_the_mean_squared_gradient() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(TOY.discriminator).double()
    real_images = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    penalty = float(gradient_penalty(discriminator, real_images).detach())
    step, total = 1e-6, 0.0
    direction = torch.randn_like(real_images)
    total = float(
        (discriminator(real_images + step * direction) - discriminator(real_images - step * direction)).sum().detach()
    ) / (2 * step)
    leaf = real_images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(leaf).sum(), leaf)
    assert total == pytest.approx(float((gradient * direction).sum()), rel=1e-5)
    assert penalty == pytest.approx(float(gradient.square().sum()) / 4)


def test_adversarial_losses_are_small_for_right_logits() -> None:
    confident = torch.tensor([[9.0], [9.0]])
    assert float(generator_loss(confident)) < 0.001 < float(generator_loss(-confident))
    assert float(discriminator_loss(confident, -confident)) < 0.001 < float(discriminator_loss(-confident, confident))


def test_train_continue_export_and_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A short run of each command."""
    monkeypatch.setitem(PRESETS, "cpu", TOY)  # type: ignore[index]
    state = tmp_path / "run"
    train.main(["--preset", "cpu", "--state", str(state), "--save-every", "60", "--device", "cpu"])
    output = capsys.readouterr().out
    assert "8 px, 200 images" in output
    assert "held-out scenes at 16 px after 800 images: error 0." in output
    assert (state / "samples.png").stat().st_size > 1000
    for stage, steps in ((1, 60), (2, 80), (3, 100)):  # each stage's last is kept
        trainer = Trainer(TOY, seed=0)
        trainer.load(state / f"stage-{stage}.pt")
        assert trainer.step == steps
    toy = tmp_path / "toy.safetensors"
    export.main(["--preset", "cpu", "--state", str(state), "--out", str(toy)])
    train.main(["--preset", "cpu", "--state", str(tmp_path / "more"), "--continue-from", str(toy), "--device", "cpu"])
    assert "held-out scenes at 16 px after 320 images" in capsys.readouterr().out
    model = load_model(str(toy), "cpu")
    trainer = Trainer(TOY, seed=0)
    trainer.load(state / "state.pt")
    seeds = range(4)
    change = (
        (generate_scene_images(model.generator, seeds, 16) - generate_scene_images(trainer.ema, seeds, 16)).abs().max()
    )
    assert float(change) < 2.5 / 255
    assert model.load_discriminator() is not None


def test_float16_is_used_where_it_changes_no_image() -> None:
    generator = Generator(TOY.generator).requires_grad_(False)
    state = generator.state_dict()

    def short() -> set[str]:
        return {name for name, tensor in shorten_weights(generator).items() if tensor.dtype == torch.float16}

    def scale(part: str, factor: float) -> None:
        for name, tensor in state.items():
            if name.endswith(part):
                tensor.mul_(factor)

    scale("torgb.weight", 0.01)
    assert short() == set(state)
    scale("mapping.fc1.weight", 1e6)  # beyond float16's range, as a stretched W may be
    scale("mapping.fc1.bias", 1e6)
    scale("affine.weight", 1e-6)
    assert short() == {name for name, tensor in state.items() if tensor.ndim == 4}
    scale("torgb.weight", 1e7)
    assert short() == set()


@pytest.mark.parametrize("name", PRESETS)
def test_networks_of_a_preset_are_small(name: str) -> None:
    """Each has at most 15 MB with two bytes per weight, and all parts of a preset have its resolution."""
    preset = PRESETS[name]
    with torch.device("meta"):
        networks = Generator(preset.generator), Discriminator(preset.discriminator)
    assert all(sum(p.numel() for p in network.parameters()) * 2 < 15e6 for network in networks)
    assert preset.stages[-1].resolution == preset.resolution == preset.discriminator.resolution
    assert preset.batch % preset.workers == 0


def test_settings_scale_with_the_resolution() -> None:
    assert settings_for_resolution(128) == export.SETTINGS_AT_128
    assert (
        settings_for_resolution(256).feature_block,
        settings_for_resolution(256).r1,
        settings_for_resolution(256).r2,
    ) == ("b64", 16, 20)


def test_the_model_card_has_errors_and_sheets(
    tmp_path: Path, whole: tuple[Trainer, list[TrainingStep]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "toy.safetensors"
    info = NativeInfo(
        name="toy", psi=1.0, settings=settings_for_resolution(16).model_copy(update={"feature_block": "b8"})
    )
    save_native(path, GeneratorPart.from_network(whole[0].ema), None, info)
    model_card.main(["--model", str(path), "--out", str(tmp_path / "card")])
    output = capsys.readouterr().out
    scene_errors = measure_errors(whole[0].ema, 16)
    assert (
        f"64 held-out scenes: error {scene_errors.whole:.4f}, around eyes, nose and mouth {scene_errors.parts:.4f}"
        in output
    )
    for name, size in (
        ("side-by-side", (128, 96)),
        ("samples", (128, 128)),
        ("interpolations", (128, 96)),
        ("recoloured", (128, 128)),
    ):
        with Image.open(tmp_path / "card" / f"{name}.png") as image:
            assert image.size == size


def test_an_interpolation_begins_and_ends_with_its_seeds(whole: tuple[Trainer, list[TrainingStep]]) -> None:
    first, second = interpolate_seeds(whole[0].ema, 16, (3, 5, 9))
    ends = generate_scene_images(whole[0].ema, (3, 5, 9), 16)
    for row, left, right in ((first, ends[0], ends[1]), (second, ends[1], ends[2])):
        assert torch.allclose(row[0], left, atol=1e-5) and torch.allclose(row[-1], right, atol=1e-5)
        assert not torch.allclose(row[4], left, atol=1e-2)


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (model_card.main, ["--model", "nothing", "--out", "out"], "there is no such model"),
        (disentanglement.main, ["--model", "nothing", "--out", "out"], "there is no such model"),
        (
            export.main,
            ["--preset", "cpu", "--state", "nothing", "--out", "out"],
            "does not exist; give the directory of a training run",
        ),
        (train.main, ["--preset", "cpu", "--state", "out", "--continue-from", "nothing"], "there is no such model"),
        (
            train.main,
            ["--preset", "cpu", "--state", "out", "--continue-from", "critters-256"],
            "neither that of the preset cpu",
        ),
    ],
)
def test_unusable_arguments_are_refused_and_nothing_is_written(
    command: Callable[[list[str]], None],
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        command(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"no state", "another dictionary"])
def test_a_damaged_state_is_refused_and_stays(
    content: bytes | str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_path = tmp_path / "state.pt"
    if isinstance(content, bytes):
        state_path.write_bytes(content)
    else:
        torch.save({"step": 3}, state_path)
    bytes_before = state_path.read_bytes()
    with pytest.raises(SystemExit) as ended:
        train.main(["--preset", "cpu", "--state", str(tmp_path)])
    assert ended.value.code == 2
    assert f"{state_path}: it is damaged; delete it to start the training again" in capsys.readouterr().err
    assert state_path.read_bytes() == bytes_before
