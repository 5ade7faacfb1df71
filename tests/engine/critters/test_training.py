"""The bundled model's training: it learns, it can be resumed and gone on from, and its file is what it learned."""

from __future__ import annotations

import math
from collections.abc import Callable
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
from draggan_engine.critters.training import disentanglement, export, face_crops, model_card, train, training_data
from draggan_engine.critters.training import trainer as training
from draggan_engine.critters.training.export import settings_for_resolution, shorten_weights
from draggan_engine.critters.training.losses import discriminator_loss, generator_loss, gradient_penalty
from draggan_engine.critters.training.mapping_pretraining import pretrain_mapping
from draggan_engine.critters.training.metrics import generate_images, interpolate_seeds, measure_errors
from draggan_engine.critters.training.muon import orthogonalize
from draggan_engine.critters.training.presets import PRESETS, TrainingPreset, TrainingStage
from draggan_engine.critters.training.progressive_growing import can_grow_into, copy_weights
from draggan_engine.critters.training.trainer import MEAN_LATENTS, W_JITTER, Trainer, TrainingStep
from draggan_engine.critters.training.training_data import (
    SHAPING_ROWS,
    TrainingBatch,
    batch_number,
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
    seen = []
    for progress in trainer.steps():
        seen.append(progress)
        if len(seen) == steps:
            break
    return seen


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return trainer.ema.state_dict() | {f"D.{k}": v for k, v in trainer.discriminator.state_dict().items()}


@pytest.fixture(scope="module")
def whole() -> tuple[Trainer, list[TrainingStep]]:
    trainer = Trainer(TOY, seed=1)
    return trainer, run(trainer)


def test_training_learns(whole: tuple[Trainer, list[TrainingStep]]) -> None:
    trainer, seen = whole
    assert len(seen) == trainer.total_steps == trainer.step == 100
    loss = [progress.distillation for progress in seen]
    assert np.mean(loss[50:60]) < 0.8 * np.mean(loss[:5])
    assert measure_errors(trainer.ema, 16).whole < 0.8 * measure_errors(Trainer(TOY, seed=1).ema, 16).whole


def test_the_discriminator_is_asked_in_its_stage_only(whole: tuple[Trainer, list[TrainingStep]]) -> None:
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


def test_another_run_goes_on_from_its_weights(tmp_path: Path, whole: tuple[Trainer, list[TrainingStep]]) -> None:
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


def test_a_wider_network_goes_through_all_stages() -> None:
    narrow = Generator(TOY.generator.model_copy(update={"channels": (32, 48, 32)})).requires_grad_(False)
    trainer = Trainer(TOY, seed=1)
    trainer.continue_from(narrow, None)
    assert trainer.stages == TOY.stages
    before, after = (generate_images(network, range(2), 16) for network in (narrow, trainer.ema))
    assert torch.allclose(before, after, atol=1e-5)


def test_a_larger_network_goes_on_from_a_smaller_one() -> None:
    """Its picture is the smaller one's, upsampled, until it has learned more; what it has more of learns too."""
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
    assert trainer.stages == TOY.stages, "what is new has to learn them all"
    small, large = (generate_images(network, range(2), size) for network, size in ((generator, 8), (trainer.ema, 16)))
    block = trainer.generator.synthesis.get_submodule("b16")
    ws = torch.zeros(2, TOY.generator.w_dim)
    with torch.no_grad():
        assert torch.allclose(block.add_to_image(small, torch.zeros(2, 48, 16, 16), ws), large, atol=1e-5)
    weights = dict(trainer.generator.named_parameters())
    added = {
        "synthesis.b8.conv1.weight": np.s_[:32, 32:],  # of channels that were there, for those that were not
        "synthesis.b8.torgb.weight": np.s_[:, 32:],
    }
    assert not any(weights[name][where].any() for name, where in added.items())
    run(trainer, 1)
    assert all(weights[name][where].all() for name, where in added.items())


def test_a_mapping_of_more_features_goes_on_from_one_of_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pictures, before anything is learned; the features that are new read the scene."""
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(training, "pretrain_mapping", lambda _mapping, known, _seed: asked.append(tuple(known)))
    more = TOY.generator.model_copy(update={"mapping_layers": 3, "mapping_features": 96})
    assert can_grow_into(TOY.generator, more)
    assert not can_grow_into(more, TOY.generator)
    assert not can_grow_into(TOY.generator, more.model_copy(update={"mapping_layers": 4}))
    assert not can_grow_into(TOY.generator, more.model_copy(update={"mapping_features": 48}))
    torch.manual_seed(0)
    small = Generator(TOY.generator).requires_grad_(False)
    trainer = Trainer(replace(TOY, generator=more), seed=1)
    trainer.continue_from(small, None)
    before, after = (generate_images(network, range(3), 16) for network in (small, trainer.ema))
    assert torch.allclose(before, after, atol=1e-4 * float(before.abs().max()))
    assert asked == [(64, 64)]
    trainer.continue_from(trainer.ema, None)
    assert asked == [(64, 64)], "nothing is new"
    run(trainer, 1)
    listened_to = mapping_layer(trainer.generator.mapping, 2).weight[:, 64:] != 0
    assert float(listened_to.float().mean()) > 0.9


def test_a_mapping_reads_the_scene() -> None:
    torch.manual_seed(0)
    small = Generator(TOY.generator).requires_grad_(False)
    large = Generator(TOY.generator.model_copy(update={"mapping_layers": 3, "mapping_features": 256}))
    copy_weights(small, large)
    known = [mapping_layer(large.mapping, i).weight[:64].clone() for i in range(2)]
    assert pretrain_mapping(large.mapping, (64, 64), 3, steps=120) < 0.75, "1 knows the mean alone"
    assert all(torch.equal(known[i], mapping_layer(large.mapping, i).weight[:64]) for i in range(2))


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


def test_growing_changes_no_picture() -> None:
    """Before its first step, a larger stage shows the smaller one's picture, upsampled."""
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


def narrowest(generator: Generator) -> float:
    """Standard deviation of w along the direction in which it is least."""
    z = torch.from_numpy(np.random.RandomState(1).randn(20_000, Z_DIM).astype(np.float32))
    with torch.no_grad():
        w = generator.mapping(z)[:, 0].double()
    return float(torch.linalg.eigvalsh(torch.cov(w.T))[0]) ** 0.5


@pytest.mark.parametrize("features", [None, 80])
def test_another_w_changes_no_picture(features: int | None) -> None:
    torch.manual_seed(0)
    config = TOY.generator.model_copy(update={"mapping_features": features})
    generator = Generator(config).requires_grad_(False)
    z = torch.randn(4, Z_DIM)
    mapped = generator.mapping(z)
    before = generator.synthesis(mapped).image
    close = 1e-4 * float(before.abs().max())

    wide = whiten_w(generator)
    assert narrowest(generator) < 0.5
    assert 0.8 < narrowest(wide) < 1.2
    ws = wide.mapping(z)
    assert torch.allclose(before, wide.synthesis(ws).image, atol=close)
    assert torch.allclose(wide.mapping.w_avg, wide.mapping(torch.randn(5000, Z_DIM))[:, 0].mean(dim=0), atol=0.2)
    # Not only there, but for every w, as a drag needs it: straight on from one animal to the next is the same way.
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
def test_the_shipped_models_draw_the_scenes(name: str, whole: float, parts: float, recoloured: float) -> None:
    """The model card's figures, on a smaller sample."""
    generator = load_model(name, "cpu").generator
    found = measure_errors(generator, generator.config.resolution, range(100, 116))
    assert found.whole < whole
    assert found.parts < parts
    found = measure_errors(generator, generator.config.resolution, range(100, 116), range(200, 216))
    assert found.whole < recoloured


@pytest.mark.parametrize("name", ["critters-128", "critters-256"])
def test_the_shipped_models_ws_have_no_narrow_direction(name: str) -> None:
    """Else a drag's steps lead out of what it was taught, and no mask can hold it."""
    assert 0.3 < narrowest(load_model(name, "cpu").generator) < 1.2


def test_lessons_are_those_of_their_steps() -> None:
    drawn = list(training_batches((3,), 2, [(5, 8, False), (6, 8, False), (7, 16, False)]))
    assert [tuple(some.pictures.shape) for some in drawn] == [(2, 3, 8, 8), (2, 3, 8, 8), (2, 3, 16, 16)]
    again = draw_batch((3,), batch_number(6), 2, 8)
    assert all(torch.equal(a, b) for a, b in zip(drawn[1][:4], again[:4], strict=True))
    assert not torch.equal(drawn[0].z, drawn[1].z)
    assert list(training_batches((3,), 2, [])) == []


def test_lessons_are_drawn_once_and_learned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def draw(seed: tuple[int, ...], number: int, count: int, resolution: int, crop_faces: bool) -> TrainingBatch:
        asked.append(number)
        return draw_batch(seed, number, count, resolution, crop_faces)

    monkeypatch.setattr(training_data, "draw_batch", draw)
    monkeypatch.setattr(training_data, "BATCH_REPETITIONS", 2)
    monkeypatch.setattr(training_data, "REPETITION_DISTANCE", 3)
    drawn = list(training_batches((3,), 1, [(step, 4, False) for step in range(13)]))
    order = [3, 0, 4, 1, 5, 2, 6, 3, 7, 4, 8, 5, 9]
    assert asked == [3, 0, 4, 1, 5, 2, 6, 7, 8, 9]
    assert all(torch.equal(some.z, draw_batch((3,), number, 1, 4).z) for some, number in zip(drawn, order, strict=True))
    resumed = list(training_batches((3,), 1, [(step, 4, False) for step in range(4, 13)]))
    assert all(torch.equal(a.z, b.z) for a, b in zip(drawn[4:], resumed, strict=True))


def test_close_ups_are_windows_of_the_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw_batch((3,), 5, 10, 64, crop_faces=True)
    assert drawn.corners is not None
    assert drawn.pictures.shape == (10, 3, *face_crops.window_size(64)) == (10, 3, 26, 30)
    whole = draw_batch((3,), 5, 10, 64)
    assert torch.equal(drawn.z, whole.z)
    window = face_crops.crop_windows(whole.pictures, drawn.corners, (26, 30))
    assert (drawn.pictures - window).abs().mean() < 1e-3  # other tiles: rays between four pixels share a light
    faces = drawn.weight.amin(dim=(1, 2, 3)) == 1
    assert int(faces.sum()) == 7
    assert (drawn.weight[faces] > 1).sum() == (whole.weight[faces] > 1).sum(), "all parts are in"
    assert drawn.weight[~faces].amin() == face_crops.RANDOM_WINDOW_WEIGHT

    monkeypatch.setattr(face_crops, "HIGH_RESOLUTION_DTYPE", torch.float32)
    config = TOY.generator.model_copy(update={"resolution": 128, "channels": (8,) * 6})
    generator = Generator(config).requires_grad_(False)
    ws = generator.mapping(drawn.z)
    picture = generator.synthesis(ws).image
    corners = drawn.corners * 2
    corners[0], corners[1] = (0, 0), (128 - 52, 128 - 60)
    window = face_crops.crop_windows(picture, corners, (52, 60))
    apart = (face_crops.generate_windows(generator.synthesis, ws, corners) - window).abs()
    assert apart[:, :, 1:-1, 1:-1].max() < 0.02 * picture.std()
    assert apart.mean() < 1e-3 * picture.std()


def test_close_ups_teach() -> None:
    config = TOY.generator.model_copy(update={"resolution": 64, "channels": (48, 48, 48, 24, 16)})
    stage = TrainingStage(64, 320, 0.02, 0.004, crop_faces=True)
    trainer, drawn = Trainer(replace(TOY, generator=config), seed=1), draw_batch((3,), 5, 8, 64, crop_faces=True)
    loss = [trainer.train_step(stage, 0.0, drawn).distillation for _ in range(30)]
    assert np.mean(loss[-4:]) < 0.9 * loss[0]


def test_in_half_of_a_lesson_the_colours_are_anothers() -> None:
    drawn = draw_batch((3,), 5, 4, 32)
    assert [bool(same) for same in (drawn.z == drawn.colouring).all(dim=1)] == [False, False, True, True]
    assert torch.equal(*draw_batch((3,), 5, 4, 16)[:2]), "smaller pictures have no rows of colours"
    own, other = (torch.from_numpy(render_scene(build_scene(z.double().numpy()), 32)) for z in drawn[:2])
    assert (own - drawn.pictures).abs().mean(dim=(1, 2, 3))[2:].max() < 1e-4
    assert (own - drawn.pictures).abs().mean(dim=(1, 2, 3))[:2].min() > 0.05
    corner = np.s_[:2, :, :3, :3]  # the backdrop's
    assert (other[corner] - drawn.pictures[corner]).abs().max() < 0.02 < (own[corner] - other[corner]).abs().mean()


def test_the_rows_of_colours_are_those_that_a_drag_leaves() -> None:
    """Else a drag would change colours."""
    assert SHAPING_ROWS == DragSettings().layers == export.SETTINGS_AT_128.layers
    config = TOY.generator.model_copy(update={"resolution": 32, "channels": (8,) * 4})
    trainer = Trainer(replace(TOY, generator=config), seed=1)
    generator, drawn = trainer.generator, draw_batch((3,), 5, 4, 32)
    shaping, colouring = (generator.mapping(z).detach() for z in (drawn.z, drawn.colouring))
    seen: list[Tensor] = []
    generator.synthesis.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    trainer.train_step(TrainingStage(32, 4, 0.0, 0.0), 0.0, drawn)
    noise = 2 * W_JITTER * float(shaping.std())
    assert 0 < float((seen[0][:, :6] - shaping[:, :6]).std()) < noise
    assert 0 < float((seen[0][:, 6:] - colouring[:, 6:]).std()) < noise


def test_the_penalty_is_the_squared_gradient() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(TOY.discriminator).double()
    pictures = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    penalty = float(gradient_penalty(discriminator, pictures).detach())
    step, total = 1e-6, 0.0
    direction = torch.randn_like(pictures)
    total = float(
        (discriminator(pictures + step * direction) - discriminator(pictures - step * direction)).sum().detach()
    ) / (2 * step)
    leaf = pictures.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(leaf).sum(), leaf)
    assert total == pytest.approx(float((gradient * direction).sum()), rel=1e-5)
    assert penalty == pytest.approx(float(gradient.square().sum()) / 4)


def test_the_adversarial_losses() -> None:
    sure = torch.tensor([[9.0], [9.0]])
    assert float(generator_loss(sure)) < 0.001 < float(generator_loss(-sure))
    assert float(discriminator_loss(sure, -sure)) < 0.001 < float(discriminator_loss(-sure, sure))


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Train, train on, export, load."""
    monkeypatch.setitem(PRESETS, "cpu", TOY)  # type: ignore[index]
    state = tmp_path / "run"
    train.main(["--preset", "cpu", "--state", str(state), "--save-every", "60", "--device", "cpu"])
    said = capsys.readouterr().out
    assert "8 px, 200 pictures seen" in said
    assert "held out at 16 px after 800 pictures: error 0." in said
    assert (state / "samples.png").stat().st_size > 1000
    for stage, steps in ((1, 60), (2, 80), (3, 100)):  # each stage's last is kept
        trainer = Trainer(TOY, seed=0)
        trainer.load(state / f"stage-{stage}.pt")
        assert trainer.step == steps
    toy = tmp_path / "toy.safetensors"
    export.main(["--preset", "cpu", "--state", str(state), "--out", str(toy)])
    train.main(["--preset", "cpu", "--state", str(tmp_path / "more"), "--go-on-from", str(toy), "--device", "cpu"])
    assert "held out at 16 px after 320 pictures" in capsys.readouterr().out
    model = load_model(str(toy), "cpu")
    trainer = Trainer(TOY, seed=0)
    trainer.load(state / "state.pt")
    seeds = range(4)
    change = (generate_images(model.generator, seeds, 16) - generate_images(trainer.ema, seeds, 16)).abs().max()
    assert float(change) < 2.5 / 255
    assert model.load_discriminator() is not None


def test_half_the_length_only_where_nobody_sees_it() -> None:
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
def test_a_presets_files_are_small(name: str) -> None:
    """At most 15 MB each, at two bytes a number; all that is there is of the preset's resolution."""
    preset = PRESETS[name]
    with torch.device("meta"):
        networks = Generator(preset.generator), Discriminator(preset.discriminator)
    assert all(sum(p.numel() for p in network.parameters()) * 2 < 15e6 for network in networks)
    assert preset.stages[-1].resolution == preset.resolution == preset.discriminator.resolution
    assert preset.batch % preset.workers == 0


def test_settings_grow_with_the_picture() -> None:
    assert settings_for_resolution(128) == export.SETTINGS_AT_128
    assert (
        settings_for_resolution(256).feature_block,
        settings_for_resolution(256).r1,
        settings_for_resolution(256).r2,
    ) == ("b64", 16, 20)


def test_the_card(
    tmp_path: Path, whole: tuple[Trainer, list[TrainingStep]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "toy.safetensors"
    info = NativeInfo(
        name="toy", psi=1.0, settings=settings_for_resolution(16).model_copy(update={"feature_block": "b8"})
    )
    save_native(path, GeneratorPart.from_network(whole[0].ema), None, info)
    model_card.main(["--model", str(path), "--out", str(tmp_path / "card")])
    said = capsys.readouterr().out
    found = measure_errors(whole[0].ema, 16)
    assert f"64 held-out scenes: error {found.whole:.4f}, around eyes, nose and mouth {found.parts:.4f}" in said
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
    ends = generate_images(whole[0].ema, (3, 5, 9), 16)
    for row, left, right in ((first, ends[0], ends[1]), (second, ends[1], ends[2])):
        assert torch.allclose(row[0], left, atol=1e-5) and torch.allclose(row[-1], right, atol=1e-5)
        assert not torch.allclose(row[4], left, atol=1e-2)


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (model_card.main, ["--model", "nothing", "--out", "out"], "there is no such model"),
        (disentanglement.main, ["--model", "nothing", "--out", "out"], "there is no such model"),
        (export.main, ["--preset", "cpu", "--state", "nothing", "--out", "out"], "there is no such file"),
        (train.main, ["--preset", "cpu", "--state", "out", "--go-on-from", "nothing"], "there is no such model"),
        (
            train.main,
            ["--preset", "cpu", "--state", "out", "--go-on-from", "critters-256"],
            "neither that of the preset cpu",
        ),
    ],
)
def test_what_cannot_be_used_is_said_and_leaves_nothing(
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
