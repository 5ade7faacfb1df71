"""`draggan-tui invert` from the photograph to the session, and what it says about bad input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from draggan_engine.checkpoints.latent_files import read_latent
from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.errors import InputError
from draggan_engine.core.geometry import Size
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.inversion import photograph_inversion, refined_alignment, registration, starts
from draggan_engine.inversion.alignment import Similarity, crop_photograph
from draggan_engine.inversion.crop_matching import CropChange
from draggan_engine.inversion.ffhq_crop import crop_ffhq
from draggan_engine.inversion.latent_search import LatentSearch
from draggan_engine.inversion.state_file import write_state
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.server.edit_images import image_of
from draggan_engine.server.session_model import with_session_tuning
from draggan_engine.storage.image_io import COMPOSITE_SOURCE_TYPE
from draggan_engine.storage.inversion_files import InversionRecord, read_refined_alignment
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.session_tuning import TUNING_FILE
from tests.support.commands import files_under, run_here
from tests.support.dlib_packages import needs_dlib
from tests.support.fake_lpips import installed_lpips
from tests.support.photograph_model import PHOTOGRAPH
from tests.support.png_header import png_header
from tests.support.tiny_models import random_generator, save_generator

SEARCH = ("--method", "w+")  # without tuning
SESSION_FILES = {
    "history.jsonl", "session.json", "latents.safetensors", "initial.png", "final.png", "inversion.json",
    "inversion-photograph.png", "inversion-compared.png", "inversion-original.png",
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a model, `tiny.safetensors`, and one of its images, `render.png`."""
    directory = tmp_path_factory.mktemp("models")
    generator = random_generator()
    save_generator(directory / "tiny.safetensors", generator)
    rgb = generate_image(generator, latent_of_seed(generator, 5000, psi=1.0))
    Image.fromarray(rgb).save(directory / "render.png")
    return directory


@pytest.fixture(autouse=True)
def few_random_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose the starts among fewer images, which is faster."""
    monkeypatch.setattr(starts, "CANDIDATE_COUNT", 16)


def invert(
    monkeypatch: pytest.MonkeyPatch, models: Path, directory: Path, photograph: Path, *options: str
) -> tuple[int, str, str]:
    arguments = (
        "invert", str(photograph), "--model", str(models / "tiny.safetensors"), "--out", "session", *options,
    )  # fmt: skip
    return run_here(monkeypatch, *arguments, directory=directory)


def test_a_photograph_becomes_a_session_that_starts_from_its_latent(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    status, stdout, stderr = invert(
        monkeypatch, models, tmp_path, models / "render.png", *SEARCH, "--steps", "60", "--json"
    )
    assert status == 0, stderr
    report = json.loads(stdout)
    assert report["psnr"] > 25
    assert (report["reason"], report["steps"], report["features"]) == ("finished", 60, "random filters")
    assert {Path(path).name for path in report["files"]} == SESSION_FILES
    assert all((tmp_path / path).is_file() for path in report["files"])
    model = load_model(str(models / "tiny.safetensors"), "cpu")
    store = SessionStore(model.name, resume=tmp_path / "session")
    assert store.edit is not None
    assert store.edit.source == LatentRef(psi=model.info.psi, from_file=True)
    final_image = np.asarray(Image.open(tmp_path / "session" / "final.png"))
    assert np.array_equal(image_of(model, store, store.edit), final_image)
    store.close()
    latent = read_latent(tmp_path / "session" / "latents.safetensors", model.info.num_ws, model.info.w_dim)
    assert np.array_equal(generate_image(model.generator, torch.from_numpy(latent)), final_image)


def test_the_record_and_the_images_beside_the_session(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    photograph = tmp_path / "photo.png"
    Image.open(models / "render.png").resize((96, 64)).save(photograph)
    status, stdout, stderr = invert(
        monkeypatch, models, tmp_path, photograph, "--steps", "2", "--align", "eyes=30,20:60,20", "--onto", "8,10:23,10",
        "--no-refine",
    )  # fmt: skip
    assert status == 0, stderr
    assert "finished: 2 steps" in stdout
    assert "to drag it: draggan-tui open session" in stdout
    record = InversionRecord.model_validate_json((tmp_path / "session" / "inversion.json").read_text())
    assert record.alignment.photograph == str(photograph)
    assert (record.alignment.multiplier, record.alignment.offset) == ((0.5, 0.0), (-7.0, 0.0))
    aligned = np.asarray(Image.open(tmp_path / "session" / "inversion-photograph.png"))
    with Image.open(tmp_path / "session" / "inversion-compared.png") as compared:
        assert compared.size == (64, 32)
        assert np.array_equal(np.asarray(compared)[:, :32], aligned)
        assert COMPOSITE_SOURCE_TYPE in compared.info["XML:com.adobe.xmp"]


def test_lpips_is_reported_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path) -> None:
    def stdout_of(*options: str) -> str:
        shutil.rmtree(tmp_path / "session", ignore_errors=True)
        return invert(monkeypatch, models, tmp_path, models / "render.png", *SEARCH, "--steps", "2", *options)[1]

    assert "LPIPS" not in stdout_of()
    assert json.loads(stdout_of("--json"))["lpips"] is None
    with installed_lpips(monkeypatch, tmp_path / "torch"):
        lpips = json.loads(stdout_of("--json"))["lpips"]
        assert 0 < lpips < 1
        assert f" dB, LPIPS {lpips:.3f}\n" in stdout_of()


def test_the_list_of_sessions_names_the_photograph(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    photograph = tmp_path / "me\x1b[2J at the lake.png"
    photograph.write_bytes((models / "render.png").read_bytes())
    assert invert(monkeypatch, models, tmp_path, photograph, *SEARCH, "--steps", "2")[0] == 0
    list_text = run_here(monkeypatch, "sessions", directory=tmp_path)[1]
    assert list_text.startswith("tiny  the photograph me?[2J at the lake.png, no drags, no pairs  ")
    (session,) = json.loads(run_here(monkeypatch, "sessions", "--json", directory=tmp_path)[1])
    assert session["photograph"] == str(photograph)
    (tmp_path / "session" / "inversion.json").unlink()
    assert "tiny  a latent file, no drags" in run_here(monkeypatch, "sessions", directory=tmp_path)[1]


def test_the_same_command_continues_after_a_crash(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    photograph = models / "render.png"
    invert(monkeypatch, models, tmp_path, photograph, *SEARCH, "--steps", "12")
    whole_latent = (tmp_path / "session" / "latents.safetensors").read_bytes()
    crashed_directory = tmp_path / "crashed"
    crashed_directory.mkdir()
    monkeypatch.setattr(photograph_inversion, "STATE_SECONDS", 0.0)

    class Crash(Exception):
        pass

    def write_and_crash(path: Path, state: object, fingerprint: str) -> None:
        write_state(path, state, fingerprint)  # type: ignore[arg-type]
        if state.step == 7:  # type: ignore[attr-defined]
            raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(photograph_inversion, "write_state", write_and_crash)
        assert invert(patched, models, crashed_directory, photograph, *SEARCH, "--steps", "12")[0] == 1
    assert "session/inversion-state.safetensors" in files_under(crashed_directory)
    status, _, stderr = invert(monkeypatch, models, crashed_directory, photograph, *SEARCH, "--steps", "13")
    assert status == 2
    assert "holds an unfinished inversion of another photograph, or with other options" in stderr
    status, _, stderr = invert(monkeypatch, models, crashed_directory, photograph, *SEARCH, "--steps", "12")
    assert status == 0
    assert "continuing after step 7" in stderr
    assert (crashed_directory / "session" / "latents.safetensors").read_bytes() == whole_latent
    assert {Path(name).name for name in files_under(crashed_directory / "session")} == SESSION_FILES


def test_a_refined_alignment_is_recorded_and_survives_a_crash(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(registration, "REGISTRATION_STEPS", 18)
    monkeypatch.setattr(refined_alignment, "MAX_LOSS", 9.0)  # in so few steps no image matches
    monkeypatch.setattr(photograph_inversion, "STATE_SECONDS", 0.0)
    photograph = np.asarray(Image.open(models / "render.png").resize((128, 128), Image.Resampling.BICUBIC))
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    options = (tmp_path / "photo.png", *SEARCH, "--steps", "12", "--align", "eyes=33,50:93,52", "--onto", "8,12:23,12")
    whole_directory, crashed_directory = tmp_path / "whole", tmp_path / "crashed"
    whole_directory.mkdir()
    crashed_directory.mkdir()
    status, _, stderr = invert(monkeypatch, models, whole_directory, *options)
    assert status == 0, stderr
    assert "the alignment was refined: the crop is" in stderr
    record = InversionRecord.model_validate_json((whole_directory / "session" / "inversion.json").read_text())
    refined = Similarity(complex(*record.alignment.multiplier), complex(*record.alignment.offset))
    assert refined.multiplier != Similarity.of_points(((33, 50), (93, 52)), ((8, 12), (23, 12))).multiplier
    crop = crop_photograph(photograph, refined, Size(32, 32))
    assert np.array_equal(np.asarray(Image.open(whole_directory / "session" / "inversion-photograph.png")), crop)

    def crash(path: Path, state: object, fingerprint: str) -> None:
        write_state(path, state, fingerprint)  # type: ignore[arg-type]
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(photograph_inversion, "write_state", crash)
        assert invert(patched, models, crashed_directory, *options)[0] == 1
    unfinished = read_refined_alignment(crashed_directory / "session")
    assert unfinished is not None and (unfinished.method, unfinished.steps) == ("w+", 12)  # for the editor
    monkeypatch.setattr(refined_alignment, "register", None)  # it is not repeated
    status, _, stderr = invert(monkeypatch, models, crashed_directory, *options)
    assert status == 0, stderr
    assert "continuing after step 1" in stderr
    for name in ("latents.safetensors", "inversion-photograph.png"):
        assert (crashed_directory / "session" / name).read_bytes() == (whole_directory / "session" / name).read_bytes()
    assert {Path(name).name for name in files_under(crashed_directory / "session")} == SESSION_FILES


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            CropChange(0.1, 0.05, 0.03 + 0.04j),
            "the crop is 10.5% larger, turned by 2.9° clockwise, and moved by 5.0% of its",
        ),
        (
            CropChange(-0.1, -0.05, 0j),
            "the crop is 9.5% smaller, turned by 2.9° anticlockwise, and moved by 0.0% of its",
        ),
    ],
)
def test_the_change_of_the_crop_is_described(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path, change: CropChange, message: str
) -> None:
    last_step = registration.RegistrationStep(1, 0.49, change, Similarity.of_scale(1.1))
    monkeypatch.setattr(refined_alignment, "register", lambda *_: iter([last_step]))
    status, _, stderr = invert(
        monkeypatch, models, tmp_path, models / "render.png", "--steps", "1", "--refine", "--align", "none"
    )
    assert status == 0
    assert f"the alignment was refined: {message} height; --no-refine keeps it as it was" in stderr
    record = InversionRecord.model_validate_json((tmp_path / "session" / "inversion.json").read_text())
    assert record.alignment.multiplier == (1.1, 0)


@pytest.mark.parametrize(
    ("change", "loss"),
    [
        (None, 0.0),
        (CropChange(0.2, 0.1, 0.01j), 0.1),
        (CropChange(0.0, 0.0, 0.1 + 0j), 0.1),
        (CropChange(0.01, 0.01, 0.01 + 0j), 0.51),
    ],
)
def test_an_alignment_is_kept_if_no_near_one_matches(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path, change: CropChange | None, loss: float
) -> None:
    far = Similarity(2 + 0j, 3 + 0j)
    last_steps = [] if change is None else [registration.RegistrationStep(1, loss, change, far)]
    monkeypatch.setattr(refined_alignment, "register", lambda *_: iter(last_steps))
    status, _, stderr = invert(
        monkeypatch, models, tmp_path, models / "render.png", "--steps", "1", "--align", "eyes=8,10:23,10",
        "--onto", "8,10:23,10",
    )  # fmt: skip
    assert status == 0
    assert "the alignment was not refined, because no other one nearby matches an image of the model" in stderr
    record = InversionRecord.model_validate_json((tmp_path / "session" / "inversion.json").read_text())
    assert (record.alignment.multiplier, record.alignment.offset) == ((1, 0), (0, 0))


def test_a_signal_ends_the_search_and_its_result_is_written(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    import signal

    steps = LatentSearch.steps

    def signalled_steps(search: LatentSearch) -> object:
        for event in steps(search):
            if getattr(event, "step", 0) == 3:
                signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr(LatentSearch, "steps", signalled_steps)
    status, stdout, _ = invert(monkeypatch, models, tmp_path, models / "render.png", "--steps", "50")
    assert status == 130
    assert "stopped: 3 steps" in stdout
    assert (tmp_path / "session" / "session.json").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--align", "eyes"], "--align 'eyes': write eyes=X,Y:X,Y with two points of the photograph"),
        (["--align", "eyes=1,2:3"], "--align 'eyes=1,2:3': write eyes=X,Y:X,Y"),
        (["--align", "eyes=5,5:5,5"], "the two points of the photograph are 0.0 pixels apart"),
        (["--align", "eyes=5,5:40,5"], "the point 40,5 is outside the photograph, which is 32×32 pixels"),
        (
            ["--align", "ffhq"],
            "--align ffhq needs a predictor of landmarks that was trained on the data set iBUG 300-W, whose licence excludes "
            "commercial use; if that suits your use, add --accept-licence, or give landmarks of your own with --landmarks",
        ),
        (["--landmarks", "face.txt"], "--landmarks: only FFHQ's crop uses them; add --align ffhq"),
        (["--align", "ffhq", "--landmarks", "face.txt"], "the landmarks face.txt cannot be read (No such file"),
        (
            ["--align", "ffhq", "--landmarks", "LANDMARKS", "--refine"],
            "--refine: it would change FFHQ's crop; leave it",
        ),
        (["--align", "ffhq", "--onto", "1,2:9,9"], "--onto: it says where two points belong; give them too"),
        (["--onto", "1,2:9,9"], "--onto: it says where two points belong; give them too, with --align eyes=X,Y:X,Y"),
        (["--align", "eyes=5,5:20,5", "--onto", "here"], "--onto 'here': write it as X,Y:X,Y"),
        (["--align", "eyes=5,5:20,5", "--onto", "1,2:1,2"], "the places for the two points are 0.0 pixels apart"),
        (
            ["--align", "eyes=5,5:20,5", "--onto", "1,2:40,2"],
            "the place 40,2 for a point is outside the model's images",
        ),
        (["--class", "1"], "class 1: tiny has no classes"),
    ],
)
def test_options_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    landmarks_path = models / "landmarks.txt"
    landmarks_path.write_text("10 20\n" * 68)
    options = [option.replace("LANDMARKS", str(landmarks_path)) for option in options]
    status, _, stderr = invert(monkeypatch, models, tmp_path, models / "render.png", *options)
    assert status == 2
    assert message in stderr
    assert stderr.count("\n") == 1
    assert not files_under(tmp_path)


def test_files_that_are_no_usable_photograph(monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    (photographs / "text.jpg").write_text("no image")
    Image.new("RGB", (8, 8)).save(photographs / "tiny.png")
    Image.new("RGB", (64, 32)).save(photographs / "wide.png")
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(photographs / "moving.gif", save_all=True, append_images=frames[1:])
    (photographs / "huge.png").write_bytes(png_header(12_000))
    half_file = (models / "render.png").read_bytes()[:900]
    (photographs / "half.png").write_bytes(half_file)
    messages = {
        "missing.png": "cannot be read as an image (No such file or directory); give a JPEG, PNG or WebP",
        "text.jpg": "is not an image file; give a JPEG, PNG or WebP",
        "tiny.png": "the photograph is 8×8 pixels; give one of at least 16×16",
        "wide.png": "the photograph is 64×32 pixels, and the images of tiny are 32×32; give two of its points with "
        "--align eyes=X,Y:X,Y, for example the eyes, or --align none if it shows everything where the model's images do",
        "moving.gif": "it is an animation",
        "huge.png": "has more than 89 megapixels; give a JPEG, PNG or WebP",
        "half.png": "cannot be read as an image",
        ".": "is not a file; give a JPEG, PNG or WebP",
    }
    work_directory = tmp_path / "work"
    work_directory.mkdir()
    for name, message in messages.items():
        status, _, stderr = invert(monkeypatch, models, work_directory, photographs / name)
        assert status == 2, name
        assert message in stderr
        assert not files_under(work_directory)


def test_a_photograph_without_alignment_is_resized_only_on_request(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    photograph = tmp_path / "photo.png"
    Image.open(models / "render.png").resize((64, 64)).save(photograph)
    status, _, stderr = invert(monkeypatch, models, tmp_path, photograph, "--steps", "1")
    assert status == 2
    assert "give two of its points with --align eyes=X,Y:X,Y" in stderr
    status, _, stderr = invert(monkeypatch, models, tmp_path, photograph, "--steps", "1", "--align", "none")
    assert status == 0, stderr


def test_landmarks_in_a_file_give_the_crop_of_ffhq(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    landmarks = np.full((68, 2), (100.0, 150.0))
    landmarks[36:42], landmarks[42:48] = (80.0, 140.0), (120.0, 140.0)
    landmarks[48], landmarks[54] = (90.0, 180.0), (110.0, 180.0)
    np.savetxt(tmp_path / "face.txt", landmarks)
    status, _, stderr = invert(
        monkeypatch,
        models,
        tmp_path,
        tmp_path / "photo.png",
        "--steps",
        "1",
        "--align",
        "ffhq",
        "--landmarks",
        "face.txt",
    )
    assert status == 0, stderr
    crop, similarity = crop_ffhq(photograph, landmarks, Size(32, 32))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "session" / "inversion-photograph.png")), crop)
    record = InversionRecord.model_validate_json((tmp_path / "session" / "inversion.json").read_text())
    assert complex(*record.alignment.multiplier) == similarity.multiplier
    assert complex(*record.alignment.offset) == similarity.offset


@needs_dlib
def test_a_face_is_found_and_aligned_with_a_model_of_faces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The model has random weights, so its image resembles nothing."""
    torch.manual_seed(0)
    config = StyleGAN2Config(resolution=64, z_dim=64, w_dim=64, mapping_layers=8, channels=(8,) * 5)
    save_generator(tmp_path / "tiny.safetensors", Generator(config))
    for number, options in enumerate((["--align", "faces"], ["--align", "ffhq", "--accept-licence"])):
        directory = tmp_path / str(number)
        directory.mkdir()
        status, stdout, stderr = invert(monkeypatch, tmp_path, directory, PHOTOGRAPH, "--steps", "2", *options)
        assert status == 0, stderr
        assert "finished: 2 steps" in stdout
        assert "the image is not much like the photograph" in stdout
        record = InversionRecord.model_validate_json((directory / "session" / "inversion.json").read_text())
        similarity = Similarity(complex(*record.alignment.multiplier), complex(*record.alignment.offset))
        assert np.abs(np.array(similarity.apply((104, 99))) - (24, 30)).max() < 2
        assert np.abs(np.array(similarity.apply((154, 101))) - (39, 30)).max() < 2


@needs_dlib
def test_photographs_with_no_face_and_with_several(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    face = Image.open(PHOTOGRAPH)
    photograph = Image.new("RGB", (600, 300), "gray")
    photograph.save(tmp_path / "empty.png")
    status, _, stderr = invert(monkeypatch, models, tmp_path, tmp_path / "empty.png", "--align", "faces")
    assert status == 2
    assert "no face was found in the photograph" in stderr
    assert "give its eyes, in pixels of the photograph, with --align eyes=X,Y:X,Y" in stderr
    photograph.paste(face, (0, 20))
    photograph.paste(face.resize((290, 290)), (300, 0))
    photograph.save(tmp_path / "two.png")
    status, _, stderr = invert(monkeypatch, models, tmp_path, tmp_path / "two.png", "--align", "faces", "--steps", "1")
    assert status == 0
    assert re.search(r"2 faces were found; the largest, with its eyes at 4\d\d,11\d and 4\d\d,11\d, is used", stderr)


def test_a_model_whose_images_are_not_finite_is_refused(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    generator = random_generator()
    generator.get_parameter("synthesis.b32.torgb.bias").fill_(float("nan"))
    save_generator(tmp_path / "tiny.safetensors", generator)
    status, _, stderr = invert(monkeypatch, tmp_path, tmp_path, models / "render.png", "--steps", "5")
    assert status == 2
    assert "tiny: its images are not finite numbers" in stderr
    assert not (tmp_path / "session" / "session.json").exists()


def test_the_directory_is_checked_before_the_photograph_is_read(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    (tmp_path / "session").write_text("in the way")
    status, _, stderr = invert(monkeypatch, models, tmp_path, tmp_path / "missing.png")
    assert status == 2
    assert "session is a file; give a directory" in stderr


@pytest.mark.parametrize("method", ["pti", "hybrid"])
def test_a_tuned_session_is_reopened_and_dragged_with_its_tuning(
    monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path, method: str
) -> None:
    photograph = tmp_path / "photo.png"
    pixels = np.asarray(Image.open(models / "render.png")).copy()
    pixels[:, 26:] = (250, 240, 20)  # a stripe that the model cannot show
    Image.fromarray(pixels).save(photograph)
    status, stdout, stderr = invert(
        monkeypatch, models, tmp_path, photograph, "--steps", "24", "--method", method, "--json"
    )
    assert status == 0, stderr
    report = json.loads(stdout)
    assert (report["reason"], report["steps"], report["method"]) == ("finished", 24, method)
    assert {Path(path).name for path in report["files"]} == {*SESSION_FILES, TUNING_FILE}
    final_image = np.asarray(Image.open(tmp_path / "session" / "final.png"))
    model = load_model(str(models / "tiny.safetensors"), "cpu")
    store = SessionStore(model.name, resume=tmp_path / "session")
    assert store.edit is not None
    assert np.array_equal(image_of(with_session_tuning(model, store), store, store.edit), final_image)
    assert not np.array_equal(generate_image(model.generator, torch.from_numpy(store.file_latent())), final_image)
    store.close()
    model_options = ("--model", str(models / "tiny.safetensors"), "--latent", "session#given")
    status, _, stderr = run_here(monkeypatch, "render", *model_options, "--out", "again.png", directory=tmp_path)
    assert status == 0, stderr
    assert np.array_equal(np.asarray(Image.open(tmp_path / "again.png")), final_image)
    drag_options = ("--pair", "8,10:11,12", "--steps", "2", "--out", "dragged")
    status, _, stderr = run_here(monkeypatch, "drag", *model_options, *drag_options, directory=tmp_path)
    assert status in (0, 3), stderr
    assert np.array_equal(np.asarray(Image.open(tmp_path / "dragged" / "initial.png")), final_image)
    assert (tmp_path / "dragged" / TUNING_FILE).is_file()
    (tmp_path / "session" / TUNING_FILE).write_bytes(b"no tensors")
    status, _, stderr = run_here(monkeypatch, "render", *model_options, "--out", "refused.png", directory=tmp_path)
    assert status == 2
    assert "inversion-tuning.safetensors is damaged: it cannot be read; restore the file" in stderr
    (tmp_path / "session" / TUNING_FILE).unlink()
    status, _, stderr = run_here(monkeypatch, "render", *model_options, "--out", "refused.png", directory=tmp_path)
    assert status == 2
    assert "inversion-tuning.safetensors is missing: the generator was tuned to the photograph" in stderr
    store = SessionStore(model.name, resume=tmp_path / "session")
    with pytest.raises(InputError, match="is missing: the generator was tuned"):
        with_session_tuning(model, store)
    store.close()
