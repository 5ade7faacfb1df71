"""What can be exported: videos of a drag, images of both kinds, and latents that can be used again."""

from __future__ import annotations

import json
import math
import resource
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.server.export import MAX_FRAMES, MIN_FRAMES
from draggan_engine.storage.markers import HANDLE_COLOR, TARGET_COLOR
from scripts.template_search import load_rgb
from tests.support.commands import files_under, run_here
from tests.support.tiny_models import random_generator, save_generator

PAIR = ("--pair", "134,142:158,142")
DRAG = ("drag", *PAIR, "--json", "--steps", "12", "--out", "s")


def tiny_drag(directory: Path, steps: int) -> tuple[str, ...]:
    """Return a command that makes exactly this many steps of the paper's method with a tiny model."""
    model = save_generator(directory / "tiny.safetensors", random_generator())
    distant_target = ("--pair", "2,2:30,30", "--lr", "0.01", "--stop", "0.01", "--layers", "2", "--steps", str(steps))
    return ("drag", "--method", "draggan", "--model", str(model), *distant_target, "--json", "--out", "s")


def mp4(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def near(rgb: NDArray[np.uint8], color: tuple[int, int, int]) -> NDArray[np.intp]:
    """Return the mean (x, y) of the pixels that nearly have a colour."""
    rows, columns = np.nonzero((np.abs(rgb.astype(int) - color) < 60).all(axis=2))
    return np.array([columns.mean(), rows.mean()]).round().astype(int)


def interpolation_notice(video_name: str, step_count: int) -> str:
    return f"draggan-tui: {video_name}: it shows {step_count} steps; the images in between are interpolated in w\n"


def test_an_mp4_of_a_drag_goes_from_its_first_image_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, stdout, stderr = run_here(monkeypatch, *DRAG, "--film", "d.mp4", directory=tmp_path)
    report = json.loads(stdout)
    assert (status, stderr) == (0, interpolation_notice("d.mp4", report["steps"]))
    assert report["files"][-1] == "d.mp4"
    frames = mp4(tmp_path / "d.mp4")
    assert len(frames) == 1 + math.ceil((MIN_FRAMES - 1) / report["steps"]) * report["steps"] + 36
    first, last = load_rgb(tmp_path / "s/initial.png"), load_rgb(tmp_path / "s/final.png")
    assert difference(frames[0], first) < 3 < difference(frames[0], last)
    assert difference(frames[-1], last) < 3


def test_a_gif_of_a_drag_shows_its_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (*DRAG[:2], "134,142:180,142", *DRAG[3:], "--method", "draggan", "--film", "d.gif", "--markers")
    status, stdout, stderr = run_here(monkeypatch, *arguments, directory=tmp_path)
    assert (status, stderr) == (0, interpolation_notice("d.gif", 12))
    final = json.loads(stdout)["pairs"][0]["final"]
    with Image.open(tmp_path / "d.gif") as video:
        assert video.n_frames == 4 * 12 + 1
        first = np.asarray(video.convert("RGB"))
        video.seek(4 * 12)
        last = np.asarray(video.convert("RGB"))
    assert near(first, HANDLE_COLOR).tolist() == [134, 142]
    assert near(last, HANDLE_COLOR).tolist() == [round(value) for value in final]
    assert near(first, TARGET_COLOR).tolist() == near(last, TARGET_COLOR).tolist() == [180, 142]


def test_the_video_of_a_long_drag_has_a_limited_number_of_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drag = tiny_drag(tmp_path, steps=MAX_FRAMES + 20)
    status, stdout, _ = run_here(monkeypatch, *drag, "--film", "d.gif", directory=tmp_path)
    assert (status, json.loads(stdout)["steps"]) == (0, MAX_FRAMES + 20)
    with Image.open(tmp_path / "d.gif") as video:
        assert video.n_frames == MAX_FRAMES
        video.seek(MAX_FRAMES - 1)
        assert difference(np.asarray(video.convert("RGB")), load_rgb(tmp_path / "s/final.png")) < 8


def test_a_video_that_cannot_be_written_loses_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drag = tiny_drag(tmp_path, steps=60)
    soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, hard_limit))  # enough for all files but the video
    try:
        status, stdout, stderr = run_here(monkeypatch, *drag, "--film", "d.gif", directory=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft_limit, hard_limit))
    assert status == 1
    assert stderr.startswith("draggan-tui: d.gif could not be written (File too large)")
    assert stderr.count("\n") == 1
    assert json.loads(stdout)["steps"] == 60
    assert "d.gif" not in json.loads(stdout)["files"]
    assert "s/final.png" in files_under(tmp_path)
    assert "d.gif" not in files_under(tmp_path)


def test_render_writes_webp_with_the_same_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "a.webp"):
        assert run_here(monkeypatch, "render", "--out", name, directory=tmp_path) == (0, "", "")
    assert (load_rgb(tmp_path / "a.png") == load_rgb(tmp_path / "a.webp")).all()
    with Image.open(tmp_path / "a.webp") as image:
        assert image.format == "WEBP"


def test_the_latents_of_a_session_can_be_rendered_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_here(monkeypatch, *DRAG, directory=tmp_path)[0] == 0
    render = ("render", "--out", "a.png", "--latent")
    for unnamed in ("s", "s/latents.safetensors", "s#drag-002.after"):
        status, _, stderr = run_here(monkeypatch, *render, unnamed, directory=tmp_path)
        assert status == 2 and "as in s#drag-001.after" in stderr
    for of_drag_1 in ("s#drag-001.", "s/latents.safetensors#drag-001.", "s/drag-001/latents.safetensors#"):
        for name, same in (("before", "initial"), ("after", "final")):
            assert run_here(monkeypatch, *render, of_drag_1 + name, directory=tmp_path) == (0, "", "")
            assert (load_rgb(tmp_path / "a.png") == load_rgb(tmp_path / f"s/{same}.png")).all()
