"""Torch uses as many threads as suit the model and the container; OMP_NUM_THREADS overrides both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.networks import cpu_threads
from draggan_engine.networks.cpu_threads import (
    MAX_THREADS,
    best_thread_count,
    can_render_during_drag,
    max_threads,
    set_thread_count,
    threads_for_image,
)


@pytest.fixture(autouse=True)
def kept_thread_count(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads_before = torch.get_num_threads()
    yield
    torch.set_num_threads(threads_before)


def test_torch_gets_no_more_threads_than_the_container_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cpu_threads, "DEFAULT_THREADS", 6)
    assert max_threads(tmp_path) == 6
    cgroup, quota = tmp_path / "proc/self/cgroup", tmp_path / "sys/fs/cgroup/cpu.max"
    for path, text in ((cgroup, "0::/\n"), (quota, "50000 100000\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert max_threads(tmp_path) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert max_threads(tmp_path) == 6


def test_loading_a_small_model_leaves_torch_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(2)
    load_model("critters-128", "cpu")
    assert torch.get_num_threads() == 1
    torch.set_num_threads(2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    load_model("critters-128", "cpu")
    assert torch.get_num_threads() == 2


def test_a_large_model_uses_all_threads() -> None:
    torch.set_num_threads(MAX_THREADS + 1)
    set_thread_count(torch.device("cuda"), 30_000_000)
    assert torch.get_num_threads() == MAX_THREADS + 1, "on a GPU nothing is changed"
    set_thread_count(torch.device("cpu"), 30_000_000)
    assert torch.get_num_threads() == MAX_THREADS == best_thread_count(30_000_000)


def test_images_are_rendered_during_a_drag_only_on_idle_cores_and_on_cuda() -> None:
    torch.set_num_threads(1)
    assert can_render_during_drag(torch.device("cpu")) == (MAX_THREADS > 1)
    torch.set_num_threads(MAX_THREADS)
    assert not can_render_during_drag(torch.device("cpu"))
    assert can_render_during_drag(torch.device("cuda"))
    assert not can_render_during_drag(torch.device("mps"))


def test_only_large_images_are_rendered_by_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_threads, "MAX_THREADS", 3)
    torch.set_num_threads(1)
    with threads_for_image(128):
        assert torch.get_num_threads() == 1
    with pytest.raises(MemoryError), threads_for_image(256):
        assert torch.get_num_threads() == 3
        raise MemoryError
    assert torch.get_num_threads() == 1
