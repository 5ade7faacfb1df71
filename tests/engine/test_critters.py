"""The bundled model's world: known geometry, and a training that learns and can be resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from draggan_engine.checkpoints.catalogue import load_model
from draggan_engine.critters.export import unit_spread
from draggan_engine.critters.muon import orthogonalise
from draggan_engine.critters.render import render
from draggan_engine.critters.scene import build_scene, latent_of_seed
from draggan_engine.critters.train import CONFIG, Trainer, held_out_error, parse_stages
from draggan_engine.networks.generator import Generator


def scenes(seeds: range) -> np.ndarray:
    return np.concatenate([latent_of_seed(seed) for seed in seeds])


def test_drawing_does_not_depend_on_the_resolution() -> None:
    scene = build_scene(scenes(range(3)))
    large = render(scene, 128, 2).reshape(3, 3, 32, 4, 32, 4).mean(axis=(3, 5))
    assert np.abs(large - render(scene, 32, 8)).max() < 1e-4


def test_the_generator_and_the_scene_read_z_alike() -> None:
    """Both normalise z, so its scale does not matter to either."""
    z = latent_of_seed(5)
    assert np.allclose(build_scene(z).landmarks.points, build_scene(3 * z).landmarks.points)


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((32, 128), (128, 32), (48, 48)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(*shape)))
        assert values.min() > 0.3
        assert values.max() < 1.4


STAGES = parse_stages("8:480:0.02:0.004,16:80:0.01:0.002")


def test_training_learns_and_a_resumed_run_is_the_same_run(tmp_path: Path) -> None:
    whole = Trainer(STAGES, batch=8, seed=1)
    losses = [loss for _, loss in whole.steps()]
    assert len(losses) == whole.total_steps == 70
    assert np.mean(losses[50:60]) < 0.8 * np.mean(losses[:5])

    first = Trainer(STAGES, batch=8, seed=1)
    steps = first.steps()
    for _ in range(30):
        next(steps)
    first.save(tmp_path / "state.pt")
    second = Trainer(STAGES, batch=8, seed=1)
    second.load(tmp_path / "state.pt")
    for _ in second.steps():
        pass
    for (name, a), b in zip(whole.ema.state_dict().items(), second.ema.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_growing_changes_no_picture() -> None:
    """Before its first step, a larger stage shows the smaller one's picture, upsampled."""
    trainer = Trainer(STAGES, batch=8, seed=1)
    ws = trainer.generator.mapping(torch.from_numpy(latent_of_seed(3).astype(np.float32)))
    synthesis = trainer.generator.synthesis
    small, large = synthesis(ws, image=8).image, synthesis(ws, image=16).image
    assert torch.allclose(synthesis.get_submodule("b16").picture(small, torch.zeros(1, 96, 16, 16), ws[:, 5]), large)


def test_scaling_w_changes_no_picture() -> None:
    torch.manual_seed(0)
    generator = Generator(CONFIG).requires_grad_(False)
    z = torch.randn(2, CONFIG.z_dim)
    with torch.no_grad():
        before = generator.synthesis(generator.mapping(z)).image
        unit_spread(generator)
        after = generator.synthesis(generator.mapping(z)).image
        ws = generator.mapping(torch.randn(5000, CONFIG.z_dim))[:, 0]
    assert torch.allclose(before, after, atol=1e-4 * float(before.abs().max()))
    assert float(ws.std(dim=0).mean()) == pytest.approx(1, abs=0.05)
    assert torch.allclose(generator.mapping.w_avg, ws.mean(dim=0), atol=0.1)


def test_the_shipped_model_draws_the_scenes() -> None:
    """The model card's figures, on a smaller sample."""
    whole, parts = held_out_error(load_model("critters-128", "cpu").generator, seeds=range(100, 116))
    assert whole < 0.018  # the card says 0.0140 and 0.0351 for seeds 0–63
    assert parts < 0.045
