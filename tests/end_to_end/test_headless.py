"""`draggan-tui drag` and `render`: what they print, what they write, and their exit status."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draggan_engine.core.edit import DEFAULT_METHOD
from draggan_engine.critters import landmarks_of_seed
from scripts.template_search import load_rgb
from tests.support.commands import files_under, run, run_here
from tests.support.terminal import Terminal
from tests.support.tiny_models import random_generator, save_generator

X, Y = landmarks_of_seed(42, 256)["nose_tip"]
PAIR = f"{X:.2f},{Y:.2f}:{X + 16:.2f},{Y:.2f}"
SESSION = {"session.json", "history.jsonl", "initial.png", "final.png"}
DRAG = {
    f"drag-001/{name}"
    for name in ("drag.json", "final.png", "events.jsonl", "latents.safetensors", "steps.safetensors")
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the fixture `dragged`, with a mask of twice the image's size and the session "out"."""
    directory = tmp_path_factory.mktemp("headless")
    mask = np.zeros((512, 512), np.uint8)
    mask[80:400, 60:440] = 255
    Image.fromarray(mask).save(directory / "mask.png")
    return directory


@pytest.fixture(scope="module")
def dragged(directory: Path) -> subprocess.CompletedProcess[str]:
    return run(
        "drag", "--seed", "42", "--pair", PAIR, "--mask", "mask.png", "--out", "out", "--json", directory=directory
    )


def last_line(directory: Path) -> str:
    return (directory / "out/drag-001/events.jsonl").read_text().splitlines()[-1]


def test_json_is_one_object_with_the_result(dragged: subprocess.CompletedProcess[str], directory: Path) -> None:
    assert dragged.returncode == 0
    report = json.loads(dragged.stdout)
    assert list(report) == ["reason", "steps", "seconds", "method", "sigma", "precision", "pairs", "files"]
    assert report["reason"] in ("reached", "settled")
    assert isinstance(report["steps"], int) and 0 < report["steps"] <= 300
    assert report["seconds"] > 0
    assert (report["method"], report["precision"]) == (DEFAULT_METHOD, "float32")
    assert report["sigma"] == pytest.approx(json.loads(last_line(directory))["sigma"], abs=1e-3)
    assert 0 < report["sigma"] < 23
    (pair,) = report["pairs"]
    assert list(pair) == ["handle", "target", "final", "distance"]
    assert pair["handle"] == pytest.approx([X, Y], abs=0.01)
    assert pair["target"] == pytest.approx([X + 16, Y], abs=0.01)
    assert pair["distance"] == pytest.approx(np.hypot(*np.subtract(pair["final"], pair["target"])))
    assert (report["reason"] == "reached") == (pair["distance"] <= 1)


def test_json_names_files_that_exist(dragged: subprocess.CompletedProcess[str], directory: Path) -> None:
    named = json.loads(dragged.stdout)["files"]
    assert {Path(name).relative_to("out").as_posix() for name in named} == SESSION | DRAG | {"mask.png"}
    assert all((directory / name).stat().st_size > 0 for name in named)


def test_a_mask_of_the_same_ratio_is_resized_with_a_notice(
    dragged: subprocess.CompletedProcess[str], directory: Path
) -> None:
    assert dragged.stderr == "draggan-tui: mask.png was resized to 256×256\n"
    with Image.open(directory / "out/mask.png") as mask:
        assert mask.size == (256, 256)
        assert set(np.unique(np.asarray(mask))) == {0, 255}
    assert json.loads((directory / "out/drag-001/drag.json").read_text())["masked"] is True


def test_the_same_request_gives_the_same_image(dragged: subprocess.CompletedProcess[str], directory: Path) -> None:
    arguments = ("drag", "--seed", "42", "--pair", PAIR, "--mask", "mask.png", "--out", "again", "--json")
    again = json.loads(run(*arguments, directory=directory).stdout)
    assert again["steps"] == json.loads(dragged.stdout)["steps"]
    assert (load_rgb(directory / "again/final.png") == load_rgb(directory / "out/final.png")).all()


def test_a_drag_that_diverges_has_exit_status_3_and_a_finite_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = random_generator()
    generator.synthesis.b16.conv1.weight[0, 0] = 1e37  # the image is finite, and the drag's gradient is not
    model = save_generator(tmp_path / "huge-weight.safetensors", generator)
    drag = ("drag", "--model", str(model), "--pair", "10,10:20,20", "--block", "b16")
    status, stdout, _ = run_here(monkeypatch, *drag, "--out", "out", "--json", directory=tmp_path)
    report = json.loads(stdout)
    assert (status, report["reason"], report["steps"]) == (3, "diverged", 0)
    assert len(np.unique(load_rgb(tmp_path / "out/final.png"))) > 50


@pytest.mark.usefixtures("dragged")
def test_render_writes_the_image_that_a_drag_starts_from(
    tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, stdout, stderr = run_here(monkeypatch, "render", "--seed", "42", "--out", "a.png", directory=tmp_path)
    assert (status, stdout, stderr) == (0, "", "")
    assert files_under(tmp_path) == {"a.png"}
    # Byte for byte: pixels and metadata.
    assert (tmp_path / "a.png").read_bytes() == (directory / "out/initial.png").read_bytes()


def test_the_default_directory_is_named_after_date_model_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("drag", "--seed", "7", "--pair", "60,60:66,66", "--steps", "2")
    for _ in range(2):
        status, stdout, _ = run_here(monkeypatch, *arguments, directory=tmp_path)
        assert status == 0 and stdout.startswith("max_steps: 2 steps, ")
    first, second = sorted((tmp_path / "draggan-out").iterdir())
    assert first.name.endswith("-critters-256-seed7")
    assert second.name == first.name + "-2"


def test_a_terminal_shows_the_images_before_and_after(tmp_path: Path) -> None:
    with Terminal("drag", "--pair", PAIR, "--steps", "20", directory=tmp_path, size=(100, 40)) as terminal:
        terminal.wait_for("files: draggan-out/")
        assert terminal.wait() == 0
        text = terminal.text()
        row = next(line for line in text.splitlines() if "before" in line)
        assert row.index("after") > 40
        half = row.index("after")
        for columns in (range(half - 5), range(half, 95)):
            assert len(set(terminal.backgrounds(columns, range(2, 30)))) > 100
