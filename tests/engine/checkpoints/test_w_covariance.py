"""The covariance of w of a model is estimated once, and then read from a file that belongs to the model's file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from draggan_engine.checkpoints import w_covariance
from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.checkpoints.registry import (
    bundled_models,
    bundled_w_covariance,
    cached_w_covariance,
    list_models,
)
from draggan_engine.checkpoints.w_covariance import read_w_covariance, write_w_covariance
from draggan_engine.networks.mapping import MappingNetwork
from draggan_engine.networks.w_statistics import estimate_w_covariance, w_statistics
from tests.support.tiny_models import W_DIM, save_tiny


@pytest.fixture
def estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[MappingNetwork]:
    """Use an empty cache; return the networks whose covariance has been estimated."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mappings: list[MappingNetwork] = []

    def estimate(mapping: MappingNetwork) -> torch.Tensor:
        mappings.append(mapping)
        return estimate_w_covariance(mapping)

    monkeypatch.setattr(w_covariance, "estimate_w_covariance", estimate)
    return mappings


def covariance_in_use(model: Model) -> torch.Tensor:
    factor = w_statistics(model.generator.mapping).factor
    return factor @ factor.T


def test_the_covariance_of_a_user_s_model_is_estimated_at_its_first_use_and_read_at_later_ones(
    tmp_path: Path, estimated: list[MappingNetwork]
) -> None:
    path = str(save_tiny(tmp_path / "tiny.safetensors"))
    first = load_model(path, "cpu")
    assert not estimated, "loading a model does not wait for it"
    first_covariance = covariance_in_use(first)
    second = load_model(path, "cpu")
    assert torch.equal(covariance_in_use(second), first_covariance)
    assert estimated == [first.generator.mapping]
    assert cached_w_covariance(first.sha256).is_file()
    assert {entry.origin for entry in list_models()} == {"bundled"}


def edited(change: Callable[[torch.Tensor], torch.Tensor]) -> bytes:
    return save({"covariance": change(torch.eye(W_DIM)).contiguous()})


DAMAGED_FILES = {
    "empty": b"",
    "text": b"no tensors",
    "no such tensor": save({"w": torch.eye(W_DIM)}),
    "too large": save({"covariance": torch.eye(W_DIM + 1)}),
    "a vector": save({"covariance": torch.ones(W_DIM * W_DIM)}),
    "float16": edited(lambda covariance: covariance.half()),
    "whole numbers": edited(lambda covariance: covariance.long()),
    "not a number": edited(lambda covariance: covariance * torch.nan),
    "infinite": edited(lambda covariance: torch.where(covariance > 0, torch.inf, 0.0)),
    "not symmetric": edited(lambda covariance: covariance + torch.ones(W_DIM, W_DIM).triu()),
    "negative variances": edited(lambda covariance: -covariance),
}


@pytest.mark.parametrize("content", DAMAGED_FILES.values(), ids=DAMAGED_FILES)
def test_a_damaged_file_in_the_cache_is_made_again(
    content: bytes, tmp_path: Path, estimated: list[MappingNetwork], caplog: pytest.LogCaptureFixture
) -> None:
    model = load_model(str(save_tiny(tmp_path / "tiny.safetensors")), "cpu")
    cache_path = cached_w_covariance(model.sha256)
    cache_path.parent.mkdir(parents=True)
    cache_path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "draggan_engine"):
        covariance = covariance_in_use(model)
    assert estimated == [model.generator.mapping]
    assert str(cache_path) in caplog.text
    assert torch.allclose(read_w_covariance(cache_path, W_DIM), covariance, rtol=1e-3, atol=1e-6)


def test_without_room_in_the_cache_the_covariance_is_used_all_the_same(
    tmp_path: Path, estimated: list[MappingNetwork], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_bytes(b"")  # a file where the cache's directory would be
    model = load_model(str(save_tiny(tmp_path / "tiny.safetensors")), "cpu")
    with caplog.at_level(logging.WARNING, "draggan_engine"):
        covariance = covariance_in_use(model)
    assert torch.allclose(covariance, estimate_w_covariance(model.generator.mapping), rtol=1e-3, atol=1e-6)
    assert estimated == [model.generator.mapping]
    assert "not kept for the next start" in caplog.text


def test_the_bundled_models_come_with_their_covariances(estimated: list[MappingNetwork]) -> None:
    models = [load_model(name, "cpu") for name in bundled_models()]
    for model in models:
        shipped = read_w_covariance(bundled_w_covariance(model.sha256), model.info.w_dim)
        difference = shipped - estimate_w_covariance(model.generator.mapping)
        # Processors round differently: up to 2·10⁻⁵ was seen.
        assert float(difference.norm()) < 1e-4 * float(shipped.norm())
        covariance_in_use(model)
    assert not estimated
    shipped_files = {path.stem for path in bundled_w_covariance("").parent.iterdir()}
    assert shipped_files == {model.sha256 for model in models}, "run python -m draggan_engine.checkpoints.w_covariance"


def test_a_written_covariance_is_read_unchanged(tmp_path: Path) -> None:
    covariance = torch.tensor([[2.0, -0.1], [-0.1, 0.3]])
    write_w_covariance(tmp_path / "covariance", covariance)
    assert torch.equal(read_w_covariance(tmp_path / "covariance", 2), covariance)
