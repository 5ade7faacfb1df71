"""Small files that other repositories' own code wrote render the images that this code rendered from them.

Each directory of `tests/fixtures/zoo` has a file and `ref.npz`, which holds the images of that repository: `seeds`, and for
ψ 1 and ψ 0.7 `psi1` and `psi0.7`, uint8 `[seeds, height, width, 3]`, all of class 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.checkpoints.loader import Model, convert_model, load_model
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop
from draggan_engine.networks.generate import generate_image, latent_of_seed
from tests.support.commands import run_here
from tests.support.paths import FIXTURES
from tests.support.references import Record

ZOO = FIXTURES / "zoo"
CASES = [
    "ada-state-dict",  # state dicts: NVIDIA's names
    "basicsr-sg2",
    "e4e-ffhq",  # the generator is one of two networks
    "genforce-sg2",
    "mmgen-sg2",  # its images are BGR
    "rosi-bare-ddp",
    "rosi-blur",  # a filter of its own
    "rosi-g-only",
    "rosi-no-noises",
    "sg3-r-state-dict",
    "sg3edit-restyle",  # paths among the options
    "fun-sg3-t-snapshot",  # whole networks: arguments of stylegan3-fun
    "rosi-args-path-device",  # objects of pathlib and torch among the options
    "sg3-sg2-foreignD",  # a discriminator of torch's own modules
    "sg3-t-torchsave-p5",  # pickle protocol 5
    "tf-sg2-config-f-py38",
    "xl-stem-t-uncond-noD",  # arrays that dill has pickled; a table of class embeddings that is not used
    "xl-superres",  # layers that do not follow from its arguments
    "human-v3-snapshot",  # a StyleGAN3 of tall images
    "eps-4x8",  # a constant of 4×8
    "tf-ada-box",  # a filter of its own
    "tf-ada-cond",  # conditional
]
MAX_DIFFERENCE = 1  # of 255


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a file would be read once, and later its converted copy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def checkpoint_path(case: str) -> Path:
    (path,) = (path for path in (ZOO / case).iterdir() if path.name != "ref.npz")
    return path


def render_seeds(model: Model, seeds: NDArray[np.int64], psi: float) -> NDArray[np.uint8]:
    return np.stack(
        [generate_image(model.generator, latent_of_seed(model.generator, int(seed), psi)) for seed in seeds]
    )


@pytest.mark.parametrize("case", CASES)
def test_a_file_renders_the_images_of_the_repository_that_wrote_it(case: str, record_property: Record) -> None:
    references = np.load(ZOO / case / "ref.npz")
    model = load_model(str(checkpoint_path(case)), "cpu")
    differences = {}
    for psi in (1, 0.7):
        images = render_seeds(model, references["seeds"], psi)
        assert images.shape == references[f"psi{psi}"].shape
        differences[psi] = int(np.abs(images.astype(int) - references[f"psi{psi}"]).max())
    texts = [f"{difference} at ψ {psi:g}" for psi, difference in differences.items()]
    record_property("zoo file", (case, f"{', '.join(texts)}, {len(references['seeds'])} seeds"))
    assert max(differences.values()) <= MAX_DIFFERENCE


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_converted_without_loss(case: str, tmp_path: Path) -> None:
    path, native_path = checkpoint_path(case), tmp_path / "model.safetensors"
    convert_model(str(path), native_path, "model")
    original, converted = (load_model(str(file), "cpu").generator for file in (path, native_path))
    assert original.config == converted.config
    original_state, converted_state = original.state_dict(), converted.state_dict()
    assert original_state.keys() == converted_state.keys()
    for key, tensor in original_state.items():
        assert tensor.numpy().tobytes() == converted_state[key].numpy().tobytes(), key  # NaN is equal to itself, too


@pytest.mark.parametrize("case", CASES)
def test_a_model_of_a_file_can_be_dragged(case: str) -> None:
    model = load_model(str(checkpoint_path(case)), "cpu")
    height, width = model.generator.image_shape
    start_ws = latent_of_seed(model.generator, 1, 0.7)
    pair = ((width * 0.4, height * 0.4), (width * 0.7, height * 0.6))
    settings = model.info.settings.model_copy(update={"max_steps": 2})
    *steps, end = DragLoop(model.generator, start_ws, [pair], None, settings).steps()
    assert isinstance(end, DragEnd)
    assert len(steps) == end.step == 2
    assert not torch.equal(end.ws, start_ws)
    assert bool(end.ws.isfinite().all())


def test_a_class_of_a_conditional_file_is_chosen_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    references = np.load(ZOO / "tf-ada-cond" / "ref.npz")
    arguments = ("--model", str(checkpoint_path("tf-ada-cond")), "--seed", str(references["seeds"][1]), "--psi", "1")
    images = []
    for label in ("0", "3", "9"):
        output = ("--class", label, "--out", f"{label}.png")
        assert run_here(monkeypatch, "render", *arguments, *output, directory=tmp_path) == (0, "", "")
        with Image.open(tmp_path / f"{label}.png") as image:
            images.append(np.asarray(image).astype(int))
    assert np.abs(images[0] - references["psi1"][1]).max() <= MAX_DIFFERENCE
    assert all(np.abs(image - images[0]).max() > MAX_DIFFERENCE for image in images[1:])
