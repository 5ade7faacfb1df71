"""`draggan-tui drag --image`: from a photograph to the photograph with the edit pasted back."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from draggan_engine.inversion import starts
from draggan_engine.inversion.inversion import InversionEnd, InversionStep
from draggan_engine.inversion.latent_search import LatentSearch
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.storage import inversion_files
from draggan_engine.storage.image_io import COMPOSITE_SOURCE_TYPE
from draggan_engine.storage.session_store import SessionStore
from draggan_tui.cli import headless_photograph_drag
from tests.support.commands import files_under, run_here
from tests.support.tiny_models import random_generator, save_generator

LEFT, TOP, SIDE = 90, 40, 64
"""The model's image is this square of the photograph, at twice its size."""
ALIGNMENT = ("--align", "eyes=105.5,55.5:137.5,55.5", "--onto", "7.5,7.5:23.5,7.5", "--no-refine")
PAIR = ("--pair", "110,70:125,70")
MASK_REACH = 2  # pixels of the photograph to which the change fades out beyond the mask: one of the model's images


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a model, `tiny.safetensors`, and `photo.png`, which shows one of its images on noise."""
    directory = tmp_path_factory.mktemp("models")
    generator = random_generator()
    save_generator(directory / "tiny.safetensors", generator)
    rgb = generate_image(generator, latent_of_seed(generator, 5000, psi=1.0))
    photograph = Image.fromarray(np.random.RandomState(0).randint(0, 256, (200, 300, 3)).astype(np.uint8))
    photograph.paste(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.BICUBIC), (LEFT, TOP))
    photograph.save(directory / "photo.png")
    return directory


@pytest.fixture(autouse=True)
def short_inversion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "CANDIDATE_COUNT", 16)
    monkeypatch.setattr(headless_photograph_drag, "DEFAULT_INVERSION_STEPS", 30)


def drag(
    monkeypatch: pytest.MonkeyPatch, models: Path, directory: Path, photograph: Path, *options: str
) -> tuple[int, str, str]:
    arguments = (
        "drag", "--image", str(photograph), "--model", str(models / "tiny.safetensors"), "--out", "s",
        "--method", "draggan", "--lr", "0.05", "--steps", "6", *options,
    )  # fmt: skip
    return run_here(monkeypatch, *arguments, directory=directory)


def pixels(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(np.int64)


def outside(left: int, top: int, right: int, bottom: int) -> NDArray[np.bool_]:
    """Return which pixels of the photograph are not in a box."""
    is_outside = np.ones((200, 300), bool)
    is_outside[top:bottom, left:right] = False
    return is_outside


def test_only_the_crop_changes_and_all_files_are_named(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    photograph = models / "photo.png"
    status, stdout, stderr = drag(
        monkeypatch, models, tmp_path, photograph, *PAIR, *ALIGNMENT, "--stop", "0.001", "--json"
    )  # fmt: skip
    assert status == 0, stderr
    assert "inverted in 30 steps: PSNR" in stderr
    report = json.loads(stdout)
    assert report["steps"] == 6
    handle, target = report["pairs"][0]["handle"], report["pairs"][0]["target"]
    assert (handle, target) == ([9.75, 14.75], [17.25, 14.75]), "in pixels of the model's image"
    names = set(report["files"])
    assert {"s/drag-001/photograph.png", "s/drag-001/final.png", "s/inversion.json", "s/final.png"} <= names
    on_disk = {name for name in files_under(tmp_path) if (tmp_path / name).is_file()}
    assert names == on_disk
    changes = np.abs(pixels(tmp_path / "s/drag-001/photograph.png") - pixels(photograph)).max(axis=2)
    assert not changes[outside(LEFT, TOP, LEFT + SIDE, TOP + SIDE)].any()
    model_changes = np.abs(pixels(tmp_path / "s/final.png") - pixels(tmp_path / "s/initial.png")).max(axis=2)
    centre = changes[TOP + 16 : TOP + 48, LEFT + 16 : LEFT + 48]
    assert centre.mean() == pytest.approx(model_changes[8:24, 8:24].mean(), rel=0.3)
    with Image.open(tmp_path / "s/drag-001/photograph.png") as image:
        assert COMPOSITE_SOURCE_TYPE in image.info["XML:com.adobe.xmp"]


def test_without_a_step_the_photograph_is_the_same_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    photograph = models / "photo.png"
    arrived = ("--pair", "110,70:110.5,70", "--stop", "2")
    status, stdout, stderr = drag(monkeypatch, models, tmp_path, photograph, *arrived, *ALIGNMENT, "--json")
    assert status == 0, stderr
    assert json.loads(stdout)["steps"] == 0
    assert np.array_equal(pixels(tmp_path / "s/drag-001/photograph.png"), pixels(photograph))


def test_the_same_directory_is_dragged_again_from_the_inversion(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    photograph = models / "photo.png"
    first = drag(monkeypatch, models, tmp_path, photograph, *PAIR, *ALIGNMENT)
    assert first[0] == 0, first[2]
    assert "photograph: s/drag-001/photograph.png" in first[1]
    latent = (tmp_path / "s/latents.safetensors").read_bytes()
    status, stdout, stderr = drag(monkeypatch, models, tmp_path, photograph, *PAIR, "--json")
    assert status == 0, stderr
    assert "s holds the inversion of this photograph; it is dragged as it was aligned" in stderr
    assert "s/drag-002/photograph.png" in json.loads(stdout)["files"]
    assert "s/inversion.json" not in json.loads(stdout)["files"]
    assert (tmp_path / "s/latents.safetensors").read_bytes() == latent
    assert np.array_equal(
        pixels(tmp_path / "s/drag-001/photograph.png"), pixels(tmp_path / "s/drag-002/photograph.png")
    )
    store = SessionStore("tiny", resume=tmp_path / "s")
    assert store.history is not None
    assert [record.source.drag for record in store.history.drag_records] == [None, None]
    store.close()


def test_a_mask_in_the_photograph_limits_the_change(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    mask = np.zeros((200, 300), np.uint8)
    mask[60:80, 100:134] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    photograph = models / "photo.png"
    status, _, stderr = drag(
        monkeypatch, models, tmp_path, photograph, *PAIR, *ALIGNMENT, "--mask", "mask.png", "--mask-weight", "0"
    )
    assert status == 0, stderr
    changes = np.abs(pixels(tmp_path / "s/drag-001/photograph.png") - pixels(photograph)).max(axis=2)
    model_changes = np.abs(pixels(tmp_path / "s/final.png") - pixels(tmp_path / "s/initial.png")).max(axis=2)
    assert (model_changes > 5).mean() > 0.5, "without a weight, the mask does not hold the model's image"
    reach = 2 * MASK_REACH + 3  # two pixels of the model's image, and the bicubic filter
    assert not changes[outside(100 - reach, 60 - reach, 134 + reach, 80 + reach)].any()
    assert changes[60:80, 100:134].any()


def test_the_whole_crop_is_pasted_on_request(monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path) -> None:
    photograph = models / "photo.png"
    arrived = ("--pair", "110,70:110.5,70", "--stop", "2")
    status, _, stderr = drag(monkeypatch, models, tmp_path, photograph, *arrived, *ALIGNMENT, "--paste", "crop")
    assert status == 0, stderr
    pasted = pixels(tmp_path / "s/drag-001/photograph.png")
    assert np.array_equal(
        pasted[outside(LEFT, TOP, LEFT + SIDE, TOP + SIDE)],
        pixels(photograph)[outside(LEFT, TOP, LEFT + SIDE, TOP + SIDE)],
    )
    with Image.open(tmp_path / "s/final.png") as final:
        enlarged = np.asarray(final.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(np.int64)
    inner = np.s_[16:-16, 16:-16]
    assert np.abs(pasted[TOP : TOP + SIDE, LEFT : LEFT + SIDE][inner] - enlarged[inner]).max() <= 4  # PIL rounds twice


def test_the_orientation_and_the_colour_profile_of_the_photograph(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the camera was turned; upright is a quarter turn to the right
    with Image.open(models / "photo.png") as upright:
        turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "photo.png", exif=exif, icc_profile=profile)
    arrived = ("--pair", "110,70:110.5,70", "--stop", "2")
    status, _, stderr = drag(monkeypatch, models, tmp_path, tmp_path / "photo.png", *arrived, *ALIGNMENT)
    assert status == 0, stderr
    assert np.array_equal(pixels(tmp_path / "s/drag-001/photograph.png"), pixels(models / "photo.png"))
    with Image.open(tmp_path / "s/drag-001/photograph.png") as image:
        assert image.info["icc_profile"] == profile
        assert ExifTags.Base.Orientation not in image.getexif()


def test_a_signal_during_the_inversion_keeps_it_and_the_same_command_drags_it(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    steps = LatentSearch.steps

    def signalled_steps(search: LatentSearch) -> Iterator[InversionStep | InversionEnd]:
        for event in steps(search):
            if event.step == 3:
                signal.raise_signal(signal.SIGTERM)
            yield event

    with monkeypatch.context() as patched:
        patched.setattr(LatentSearch, "steps", signalled_steps)
        status, stdout, stderr = drag(patched, models, tmp_path, models / "photo.png", *PAIR, *ALIGNMENT, "--json")
    assert status == 143
    assert json.loads(stdout)["reason"] == "stopped"
    assert "stopped during the inversion; the same command drags its result" in stderr
    assert (tmp_path / "s/session.json").is_file() and not (tmp_path / "s/drag-001").exists()
    status, stdout, stderr = drag(monkeypatch, models, tmp_path, models / "photo.png", *PAIR, *ALIGNMENT, "--json")
    assert status == 0, stderr
    assert "s/drag-001/photograph.png" in json.loads(stdout)["files"]


def test_a_large_photograph_is_found_by_its_path_and_checked(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(inversion_files, "MAX_COPIED_BYTES", 1000)
    photograph = tmp_path / "photo.png"
    photograph.write_bytes((models / "photo.png").read_bytes())
    assert drag(monkeypatch, models, tmp_path, photograph, *PAIR, *ALIGNMENT)[0] == 0
    assert not (tmp_path / "s/inversion-original.png").exists()
    moved = photograph.rename(tmp_path / "elsewhere.png")
    status, stdout, stderr = drag(monkeypatch, models, tmp_path, moved, *PAIR, "--json")
    assert status == 1, "the drag has been made, but not pasted"
    assert f"the photograph {photograph} has moved or was removed; put it back there" in stderr
    assert "s/drag-002/final.png" in json.loads(stdout)["files"]
    assert "s/drag-002/photograph.png" not in json.loads(stdout)["files"]
    Image.new("RGB", (300, 200)).save(photograph)
    status, _, stderr = drag(monkeypatch, models, tmp_path, moved, *PAIR)
    assert status == 1
    assert f"{photograph} has changed since it was inverted; put the photograph back as it was" in stderr
    status, _, stderr = drag(monkeypatch, models, tmp_path, photograph, *PAIR)
    assert status == 2
    assert "s holds the inversion of another photograph" in stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "3"], "--seed: with --image, the drag starts from the photograph; leave one of the two out"),
        (["--psi", "0.5"], "--psi: with --image, the drag starts from the photograph"),
        (["--latent", "w.npy"], "--latent: with --image, the drag starts from the photograph"),
        (
            ["--pair", "310,20:120,70"],
            "--pair: the handle of pair 2, 310,20, is outside the photograph, which is 300×200",
        ),
        (["--pair", "120,70:80,70"], "--pair: the target of pair 2, 80,70, is outside the part of the photograph that"),
        (["--align", "eyes"], "--align 'eyes': write eyes=X,Y:X,Y"),
        (["--layers", "64"], "--layers '64': must be"),
        (["--mask", "black.png"], "mask black.png is all zero"),
        (["--mask", "corner.png"], "mask corner.png is all zero in the part of the photograph that the model shows"),
        (["--out", "file/s"], "file is a file; give a directory"),
        (["--film", "none/d.mp4"], "there is no directory none; make it first"),
    ],
)
def test_what_cannot_be_used_is_reported_before_the_inversion(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "file").touch()
    corner = Image.new("L", (300, 200))
    corner.save(tmp_path / "black.png")
    corner.paste(255, (250, 150, 300, 200))
    corner.save(tmp_path / "corner.png")
    files_before = files_under(tmp_path)
    status, _, stderr = drag(monkeypatch, models, tmp_path, models / "photo.png", *PAIR, *ALIGNMENT, *options)
    assert status == 2
    assert message in stderr
    assert stderr.count("\n") == 1
    assert files_under(tmp_path) == files_before


def test_options_for_photographs_need_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for option in (("--align", "none"), ("--onto", "1,2:9,9"), ("--no-refine",), ("--paste", "crop")):
        status, _, stderr = run_here(monkeypatch, "drag", *PAIR, *option, directory=tmp_path)
        assert status == 2
        assert (
            f"{option[0].replace('no-', '')}: it is for photographs; give one with --image FILE, or leave it out"
            in stderr
        )


def test_a_directory_is_needed_and_must_not_hold_another_session(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    model = ("--model", str(models / "tiny.safetensors"))
    image = ("--image", str(models / "photo.png"))
    status, _, stderr = run_here(monkeypatch, "drag", *image, *model, *PAIR, directory=tmp_path)
    assert (status, "--image: give the directory of the session too, with --out DIR" in stderr) == (2, True)
    seed_drag = ("drag", *model, "--pair", "5,5:9,9", "--steps", "1", "--out", "s")
    assert run_here(monkeypatch, *seed_drag, directory=tmp_path)[0] == 0
    status, _, stderr = run_here(monkeypatch, "drag", *image, *model, *PAIR, "--out", "s", directory=tmp_path)
    assert status == 2
    assert "s holds a session that does not start from a photograph; give another directory with --out" in stderr


@pytest.mark.parametrize(("closeness", "is_mentioned"), [(0.0, False), (99.0, True)])
def test_an_inversion_that_is_not_close_is_mentioned(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path, closeness: float, is_mentioned: bool
) -> None:
    monkeypatch.setattr(headless_photograph_drag, "CLOSE_PSNR", closeness)
    status, _, stderr = drag(monkeypatch, models, tmp_path, models / "photo.png", *PAIR, *ALIGNMENT)
    assert status == 0, stderr
    assert ("the image is not close to the photograph" in stderr) == is_mentioned
