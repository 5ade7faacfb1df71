"""UserControllableLT: its network, its training data, its training, its edits, and the weights that come with the program."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import InputError
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.evaluation.baselines import latent_transformer_training
from draggan_engine.evaluation.baselines.latent_transformer import (
    BUNDLED_WEIGHTS_DIRECTORY,
    LatentTransformer,
    LatentTransformerConfig,
    generator_checksum,
    own_directory,
    read_transformer,
    save_transformer,
    transformer_path,
)
from draggan_engine.evaluation.baselines.latent_transformer_data import config_for, draw_round
from draggan_engine.evaluation.baselines.latent_transformer_training import (
    LatentTransformerTrainer,
    TransformerPreset,
    draw_motion_batch,
)
from draggan_engine.evaluation.baselines.user_controllable_lt import (
    MAX_ANCHORS,
    load_for,
    mask_anchors,
    predict_ws,
)
from draggan_engine.evaluation.cases import landmark_cases
from draggan_engine.evaluation.landmark_detector import detect_landmarks
from draggan_engine.evaluation.methods import METHODS, select_methods
from draggan_engine.evaluation.variants import Method
from draggan_engine.networks.generate import latent_of_seed
from tests.support.tiny_models import random_generator, save_tiny

TINY_PRESET = TransformerPreset(rounds=2, latents=3, changes=2, steps=3, batch=4, width=32, layers=1)


@pytest.fixture(autouse=True)
def _own_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(scope="module", params=["w", "w+"])
def tiny_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    settings = DragSettings(space=request.param, layers=3, feature_block="b16")
    return load_model(str(save_tiny(tmp_path_factory.mktemp("model") / "tiny.safetensors", settings=settings)), "cpu")


def small_network(predicted_rows: int = 3) -> LatentTransformer:
    """Return a network with random weights and scales."""
    torch.manual_seed(0)
    config = LatentTransformerConfig(
        generator_sha256="0" * 64, model="small", feature_block="b32", feature_channels=5, w_dim=6,
        predicted_rows=predicted_rows, moved_rows=3, width=16, heads=2, layers=2,
    )  # fmt: skip
    network = LatentTransformer(config)
    torch.nn.init.normal_(network.output.weight)
    network.set_scales(torch.randn(9, 5), torch.randn(9, predicted_rows, 6) + 200, torch.randn(9, predicted_rows, 6), torch.randn(9, 2))  # fmt: skip
    return network.eval()


def random_tokens(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows, motions and features of two latents."""
    random = torch.Generator().manual_seed(1)
    return (
        torch.randn(2, 3, 6, generator=random) + 200,
        torch.randn(2, count, 2, generator=random),
        torch.randn(2, count, 5, generator=random),
    )


def test_the_order_of_the_tokens_does_not_matter() -> None:
    network = small_network()
    w, motions, features = random_tokens(7)
    exists = torch.ones(2, 7, dtype=torch.bool)
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    change = network(w, motions, features, exists)
    assert change.shape == (2, 3, 6) and change.abs().max() > 0.1
    assert torch.allclose(change, network(w, motions[:, order], features[:, order], exists), atol=1e-5)


def test_tokens_that_do_not_exist_change_nothing_and_the_others_do() -> None:
    network = small_network()
    w, motions, features = random_tokens(6)
    exists = torch.tensor([[True] * 4 + [False] * 2] * 2)
    change = network(w, motions, features, exists)
    assert torch.allclose(change, network(w, motions[:, :4], features[:, :4], exists[:, :4]), atol=1e-5)
    assert not torch.allclose(change, network(w, motions[:, :3], features[:, :3], exists[:, :3]), atol=1e-2)


def test_weights_are_written_and_read_again(tmp_path: Path) -> None:
    network, tokens = small_network(), random_tokens(4)
    save_transformer(network, tmp_path / "weights.safetensors")
    copy = read_transformer(tmp_path / "weights.safetensors")
    assert copy.config == network.config and torch.equal(copy.w_mean, network.w_mean)
    exists = torch.ones(2, 4, dtype=torch.bool)
    assert torch.allclose(copy(*tokens, exists), network(*tokens, exists), atol=0.05)


@pytest.mark.parametrize("damage", ["cut", "other tensors", "no metadata", "missing"])
def test_a_damaged_file_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    network = small_network()
    if damage == "other tensors":
        network.config = network.config.model_copy(update={"layers": 3})
    save_transformer(network, path)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-100])
    elif damage == "no metadata":
        path.write_bytes(content.replace(b"latent_transformer", b"latent-transformer", 1))
    elif damage == "missing":
        path.unlink()
    with pytest.raises(InputError, match="holds no weights of UserControllableLT, or is damaged; train it again"):
        read_transformer(path)


# Training data ------------------------------------------------------------------------------------------


def test_motions_are_those_of_the_images_landmarks() -> None:
    """The detector finds the landmarks of a changed latent where the training data say that they have moved to."""
    model = load_model("critters-128", "cpu")
    config = config_for(model, 32, 1)
    samples = draw_round(model, config, np.random.default_rng(0), 4, 2)
    ws = samples.w.repeat(1, model.generator.num_ws, 1)
    changed_ws = (samples.w[:, None] + samples.changes).flatten(0, 1).repeat(1, model.generator.num_ws, 1)
    with torch.inference_mode():
        before, after = (detect_landmarks(model.generator.synthesis(latents).image).points for latents in (ws, changed_ws))  # fmt: skip
    detected = after.reshape(4, 2, 68, 2) - before[:, None]
    motions, usable = samples.motions.numpy()[:, :, :68], samples.usable.numpy()[:, :, :68]
    assert np.linalg.norm(motions, axis=-1)[usable].mean() > 2
    assert np.linalg.norm(detected - motions, axis=-1)[usable].mean() < 1.2
    assert not samples.motions[:, :, samples.backdrop].any() and samples.usable[:, :, samples.backdrop].any()


def test_motions_of_other_models_are_measured_by_optical_flow(tiny_model: Model) -> None:
    config = config_for(tiny_model, 32, 1)
    samples = draw_round(tiny_model, config, np.random.default_rng(0), 3, 2)
    rows = 1 if tiny_model.info.settings.space == "w" else 3
    assert samples.w.shape == (3, rows, 4) and samples.changes.shape == (3, 2, rows, 4)
    assert samples.motions.shape == (3, 2, 256, 2) and samples.features.shape[:2] == (3, 256)
    assert samples.motions.abs().max() > 0.1 and torch.isfinite(samples.motions).all()


def test_a_batch_has_only_usable_points(tiny_model: Model) -> None:
    samples = draw_round(tiny_model, config_for(tiny_model, 32, 1), np.random.default_rng(0), 3, 2)
    samples.usable[:] = False
    samples.usable[1, 0, :5] = True
    samples.motions[1, 0, :5] = 7
    sizes = set()
    for seed in range(20):
        batch = draw_motion_batch(samples, 6, np.random.default_rng(seed))
        assert (batch.motions[batch.exists] == 7).all() and batch.exists.any(dim=1).all()
        assert torch.equal(batch.changes, samples.changes[1, :1].expand(6, -1, -1))
        sizes.add(int(batch.exists.sum(dim=1)[0]))
    assert {1, 5} <= sizes


# Training -----------------------------------------------------------------------------------------------


def test_training_lowers_the_loss(tiny_model: Model) -> None:
    preset = replace(TINY_PRESET, rounds=1, steps=100, step_size=3e-3)
    trainer = LatentTransformerTrainer(tiny_model, preset, seed=0)
    samples = draw_round(tiny_model, trainer.config, np.random.default_rng(1), 3, 2)
    trainer._set_scales(samples)
    batch = draw_motion_batch(samples, 4, np.random.default_rng(0))
    losses = [trainer._train_step(step, batch) for step in range(100)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_run_that_is_continued_gives_the_same_weights_to_the_bit(tiny_model: Model, tmp_path: Path) -> None:
    unbroken, interrupted, continued = (LatentTransformerTrainer(tiny_model, TINY_PRESET, seed=3) for _ in range(3))
    for trainer in (unbroken, interrupted):
        assert len(list(trainer.train_round())) == 3
    interrupted.save(tmp_path / "state")
    assert not LatentTransformerTrainer(tiny_model, TINY_PRESET, seed=4).load(tmp_path / "state")
    assert continued.load(tmp_path / "state") and continued.finished_rounds == 1
    for trainer in (unbroken, continued):
        list(trainer.train_round())
    for name, tensor in unbroken.ema.state_dict().items():
        assert torch.equal(tensor, continued.ema.state_dict()[name]), name


def test_the_command_trains_weights_that_the_evaluation_finds(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(latent_transformer_training.TRANSFORMER_PRESETS, "cpu", TINY_PRESET)
    latent_transformer_training.main(["--model", str(tiny_model.path)])
    (path,) = own_directory().iterdir()
    *rounds, last_line = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in rounds] == ["round 1/2", "round 2/2"] and last_line == str(path)
    assert transformer_path(tiny_model.generator) == path
    methods, why_unusable = select_methods(None, tiny_model.generator)
    assert Method.USER_CONTROLLABLE_LT in methods and Method.USER_CONTROLLABLE_LT not in why_unusable


# Edits --------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_network(tiny_model: Model) -> LatentTransformer:
    """A network for the tiny model, with random weights."""
    torch.manual_seed(0)
    network = LatentTransformer(config_for(tiny_model, 32, 1))
    torch.nn.init.normal_(network.output.weight)
    return network.eval().requires_grad_(False)


def test_a_longer_drag_changes_the_first_rows_more(tiny_model: Model, tiny_network: LatentTransformer) -> None:
    ws = latent_of_seed(tiny_model.generator, 0, 0.7)
    short, long, none = (
        predict_ws(tiny_network, tiny_model.generator, DragTask(ws, [((8, 8), (8 + 3 * length, 8 - 4 * length))])) - ws
        for length in (1, 2, 0)
    )
    assert short[:, :3].abs().max() > 0 and not short[:, 3:].any() and not none.any()
    assert torch.allclose(2 * short, long, rtol=1e-4, atol=1e-5)
    assert torch.equal(short[:, 0], short[:, 1]) == (tiny_model.info.settings.space == "w")


def test_a_mask_adds_anchors_outside_it(tiny_model: Model, tiny_network: LatentTransformer) -> None:
    ws = latent_of_seed(tiny_model.generator, 0, 0.7)
    mask = np.ones((32, 32), np.uint8)
    pairs = [((8.0, 8.0), (14.0, 8.0))]
    everything, free = (predict_ws(tiny_network, tiny_model.generator, DragTask(ws, pairs, m)) for m in (mask, None))
    assert torch.equal(everything, free) and len(mask_anchors(mask)) == 0
    mask[:, 16:] = 0
    anchors = mask_anchors(mask)
    assert len(anchors) == MAX_ANCHORS and (anchors[:, 0] >= 16).all()
    masked = predict_ws(tiny_network, tiny_model.generator, DragTask(ws, pairs, mask))
    assert not torch.allclose(masked, free, atol=1e-4)


def test_weights_are_refused_for_another_model(tiny_model: Model) -> None:
    message = (
        "UserControllableLT: it has not been trained for this model; "
        "run python -m draggan_engine.evaluation.baselines.latent_transformer_training --model MODEL"
    )
    generator = random_generator()
    own_directory().mkdir(parents=True)
    save_transformer(LatentTransformer(config_for(tiny_model, 32, 1)), own_directory() / "tiny.safetensors")
    (own_directory() / "foreign.safetensors").write_bytes(b"not weights")
    assert load_for(tiny_model.generator).config.generator_sha256 == generator_checksum(tiny_model.generator)
    with pytest.raises(InputError) as refusal:
        select_methods(["UserControllableLT"], generator)
    assert str(refusal.value) == message
    task = DragTask(latent_of_seed(generator, 0, 1.0), [((8, 8), (12, 8))])
    with pytest.raises(InputError, match="it has not been trained for this model"):
        METHODS[Method.USER_CONTROLLABLE_LT](generator, [task], DragSettings(), None)
    assert select_methods(None, generator)[1][Method.USER_CONTROLLABLE_LT] == message


@pytest.mark.parametrize(("model_name", "points", "case_count"), [("critters-128", 1, 8), ("critters-128", 68, 4), ("critters-256", 5, 3)])  # fmt: skip
def test_the_bundled_weights_move_landmarks_towards_their_targets(
    model_name: str, points: int, case_count: int
) -> None:
    model = load_model(model_name, "cpu")
    assert transformer_path(model.generator).parent == BUNDLED_WEIGHTS_DIRECTORY
    cases = list(itertools.islice(landmark_cases(model, points), case_count))
    calls: list[tuple[int, int]] = []
    results = METHODS[Method.USER_CONTROLLABLE_LT](
        model.generator,
        [case.drag for case in cases],
        model.info.settings,
        lambda step, active, ws, handles: calls.append((step, len(active) + len(ws) - len(handles))),
    )
    assert calls == [(0, case_count), (1, case_count)]
    assert all((result.steps, result.reached) == (1, None) for result in results)
    distances = []
    for latents in ([case.drag.ws for case in cases], [result.ws for result in results]):
        with torch.inference_mode():
            landmarks = detect_landmarks(model.generator.synthesis(torch.cat(latents)).image).points
        for i, case in enumerate(cases):
            indices = [LANDMARKS.index(name) for name in case.landmark_names]
            distances.append(np.linalg.norm(landmarks[i, indices] - [target for _, target in case.drag.pairs], axis=1).mean())  # fmt: skip
    assert np.mean(distances[case_count:]) < 0.6 * np.mean(distances[:case_count])


def test_the_bundled_weights_are_small() -> None:
    paths = list(BUNDLED_WEIGHTS_DIRECTORY.glob("*.safetensors"))
    assert {path.stem for path in paths} == {"critters-128", "critters-256"}
    assert all(path.stat().st_size <= 8_000_000 for path in paths)
