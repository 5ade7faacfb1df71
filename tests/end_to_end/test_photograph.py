"""A person's way with a photograph: opened by name, two points, inverted, dragged, and exported with the edit pasted back."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.critters import landmarks_of_seed
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.storage.inversion_files import read_inversion
from tests.support.keys import place_pair, session_directory, session_with_drags, steer
from tests.support.terminal import Terminal

SEED, LEFT, TOP = 1, 60, 20
"""Of the animal in the photograph, and where its image begins there, px."""


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """Return a photograph of 256×176 pixels with an animal that critters-128 can show."""
    model = load_model("critters-128", "cpu")
    pixels = np.full((176, 256, 3), (120, 130, 90), np.uint8)
    pixels[TOP : TOP + 128, LEFT : LEFT + 128] = generate_image(
        model.generator, latent_of_seed(model.generator, SEED, 1.0)
    )
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_photograph_is_aligned_inverted_dragged_and_exported(photograph: Path, tmp_path: Path) -> None:
    landmarks = landmarks_of_seed(SEED, 128)
    eyes = [(landmarks[name][0] + LEFT, landmarks[name][1] + TOP) for name in ("eye_left", "eye_right")]
    arguments = ("--image", "photo.png", "--model", "critters-128", "--device", "cpu")
    with Terminal(*arguments, directory=tmp_path, size=(110, 30)) as terminal:
        terminal.wait_for("Go to one of the eyes and press Enter")
        steer(terminal, *eyes[1])
        terminal.send("\r")
        terminal.wait_for("Now go to the other eye and press Enter")
        steer(terminal, *eyes[0])
        terminal.send("\r")
        terminal.wait_for(r"aligning photo.png: step")
        terminal.wait_for(lambda: re.search(r"inverting photo\.png: step [1-9]\d/\d+  \d\d\.\d dB", terminal.text()))
        terminal.send("d")
        terminal.wait_for("the inversion of photo.png is stopped, and its image is kept")
        place_pair(terminal, landmarks["eye_left"], (landmarks["eye_left"][0], landmarks["eye_left"][1] - 6))
        terminal.send(".")
        terminal.wait_for("drag 1")
        terminal.wait_for("1 step,")  # the speed, as in "21 steps/s", is shown before the drag has ended
        terminal.send("E")
        terminal.wait_for("in the photograph")
        terminal.send("\x1b[Z\x1b[Z")
        terminal.wait_for("[x] in the photograph")
        terminal.send("\r")
        terminal.wait_for("saved to")
        terminal.send("q")
        assert terminal.wait() == 0
    (manifest,) = (tmp_path / "draggan-out").glob("*/session.json")
    record = read_inversion(manifest.parent)
    assert record is not None
    assert (record.reason, record.alignment.photograph) == ("stopped", str(photograph))
    session = session_with_drags(manifest.parent)
    assert (session["given"], session["latent"], session["drags"][0]["given"]) == (True, 1, True)
    (exported,) = (tmp_path / "draggan-out").glob("*.png")
    before, after = (np.asarray(Image.open(path)).astype(int) for path in (photograph, exported))
    assert before.shape == after.shape
    changed = np.abs(before - after).max(axis=2) > 0
    assert changed[TOP : TOP + 128, LEFT : LEFT + 128].any()
    assert not changed[:, -20:].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--image", "missing.jpg"), "--image missing.jpg: there is no such file; give a JPEG, PNG or WebP"),
        (("--align", "faces"), "--align: it is for photographs; give one with --image FILE, or leave it out"),
        (("--method", "pti"), "--method: it is for photographs; give one with --image FILE, or leave it out"),
        (("--steps", "9"), "--steps: it is for photographs; give one with --image FILE, or leave it out"),
        (("--image", "photo.png", "--latent", "w.npy"), "--latent: with --image, the edit starts from the photograph"),
        (("--image", "photo.png", "--align", "eyes=1,2"), "--align 'eyes=1,2': write eyes=X,Y:X,Y"),
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    with Terminal(*options, directory=tmp_path, size=(200, 24)) as terminal:
        assert terminal.wait() == 2
        assert terminal.text().strip().startswith(f"draggan-tui: {message}")
        assert b"\x1b[?1049h" not in terminal.raw, "the alternate screen is not entered"


def test_with_an_alignment_the_photograph_is_inverted_at_once(photograph: Path, tmp_path: Path) -> None:
    Image.open(photograph).crop((LEFT, TOP, LEFT + 128, TOP + 128)).resize((96, 96)).save(tmp_path / "crop.png")
    arguments = (
        "--image",
        "crop.png",
        "--align",
        "none",
        "--method",
        "w",
        "--steps",
        "90000",
        "--model",
        "critters-128",
    )
    with Terminal(*arguments, "--device", "cpu", directory=tmp_path, size=(110, 30)) as terminal:
        terminal.wait_for(lambda: re.search(r"inverting crop\.png: step \d+/90000  \d\d\.\d dB", terminal.text()))
        terminal.send("q")
        assert terminal.wait() == 0
    record = read_inversion(session_directory(tmp_path))
    assert record is not None and (record.reason, record.method) == ("stopped", "w")


def test_a_file_that_is_no_photograph_is_named_in_the_editor(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    with Terminal("--image", "text.jpg", "--model", "critters-128", directory=tmp_path, size=(110, 30)) as terminal:
        terminal.wait_for("photograph text.jpg is not an image file; give a JPEG, PNG or WebP")
        terminal.send("q")
        assert terminal.wait() == 0
