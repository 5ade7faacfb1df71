"""The main job: one command, a handle on the nose, a drag, files; by keys alone, in a real terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from draggan_engine.critters import landmarks_of_seed
from scripts.template_search import drag_error, load_rgb
from tests.support.keys import open_picture, place_pair, read_session, session_directory
from tests.support.terminal import RESTORED, Terminal

SEED = 42


@dataclass(frozen=True)
class Job:
    """What was seen and what was left."""

    first_screen: str
    undone: dict[str, Any]  # session.json after `u`
    redone: dict[str, Any]  # and after ctrl+r
    status: int
    raw: bytes
    directory: Path


@pytest.fixture(scope="module", params=[(80, 24), (160, 48)], ids=["80x24", "160x48"])
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    directory = tmp_path_factory.mktemp("job")
    columns, rows = request.param
    nose = landmarks_of_seed(SEED, 256)["nose_tip"]
    with Terminal("--seed", str(SEED), directory=directory, size=request.param) as terminal:
        terminal.wait_for("device  starting")  # and not the picture's place alone
        first_screen = terminal.text()
        open_picture(terminal)

        def color_count() -> int:
            return len(set(terminal.backgrounds(range(columns - 34), range(rows - 2))))

        terminal.wait_for(lambda: color_count() > 300)  # a frame may come in pieces
        place_pair(terminal, nose, (nose[0] + 24, nose[1]))
        terminal.send("d")
        terminal.wait_for("drag 1 reached")
        terminal.send("u")
        terminal.wait_for(lambda: read_session(directory)["latent"] == 0)
        undone = read_session(directory)
        terminal.send("\x12")  # ctrl+r
        terminal.wait_for(lambda: read_session(directory)["latent"] == 1)
        terminal.send("s")
        terminal.wait_for("saved to ")
        redone = read_session(directory)
        terminal.send("q")
        status = terminal.wait()
        yield Job(first_screen, undone, redone, status, bytes(terminal.raw), session_directory(directory))


def test_the_first_frame_does_not_wait_for_the_engine(job: Job) -> None:
    assert re.search(r"device\s+starting", job.first_screen)
    assert re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] critters", job.first_screen)


def test_leaving_restores_the_terminal(job: Job) -> None:
    assert job.status == 0
    assert RESTORED in job.raw


def test_the_session_is_on_disk(job: Job) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-critters-256-seed42", job.directory.name)
    file_names = {str(path.relative_to(job.directory)) for path in job.directory.rglob("*") if path.is_file()}
    names = ("drag.json", "final.png", "events.jsonl", "latents.safetensors", "steps.safetensors")
    drag = {f"drag-001/{name}" for name in names}
    assert file_names == {"history.jsonl", "session.json", "initial.png", "final.png", *drag}


def test_the_nose_is_where_its_target_was(job: Job) -> None:
    (drag,) = job.redone["drags"]
    (pair,) = drag["pairs"]
    assert drag["reason"] == "reached"
    away = drag_error(
        load_rgb(job.directory / "initial.png"), load_rgb(job.directory / "final.png"), pair["handle"], pair["target"]
    )
    assert away <= 8, f"the nose is {away:.1f} px from its target"


def test_every_step_of_the_drag_has_a_line(job: Job) -> None:
    lines = (job.directory / "drag-001/events.jsonl").read_text().splitlines()
    assert len(lines) == job.redone["drags"][0]["steps"]


def test_undo_takes_the_drag_back_and_redo_brings_it_again(job: Job) -> None:
    (before,), (after,) = job.undone["pairs"], job.redone["pairs"]
    (dragged,) = job.redone["drags"][0]["pairs"]
    assert job.undone["latent"] == 0 and before["handle"] == dragged["handle"]
    assert job.redone["latent"] == 1 and after["handle"] == dragged["final"]
    assert job.redone["result"] == {"file": "final.png", "latent": 1}
    # The picture of the session is that of its drag again.
    assert (load_rgb(job.directory / "final.png") == load_rgb(job.directory / "drag-001/final.png")).all()


@pytest.mark.parametrize("name", ["initial.png", "final.png", "drag-001/final.png"])
def test_pictures_say_that_they_are_generated(job: Job, name: str) -> None:
    with Image.open(job.directory / name) as image:
        image.load()
        assert image.size == (256, 256)
        assert (image.text["Software"], image.text["Model"], image.text["Seed"]) == (
            "draggan-tui",
            "critters-256",
            "42",
        )
        assert "digitalsourcetype/trainedAlgorithmicMedia" in image.text["XML:com.adobe.xmp"]
