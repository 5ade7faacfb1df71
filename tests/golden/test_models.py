"""Native model files of an earlier version: what they say of themselves, and the images that they make."""

from __future__ import annotations

import json

import pytest

from draggan_engine.core.edit import DEFAULT_METHOD
from tests.golden.user import GOLDEN, User, assert_same_image

MODELS = ("golden-stylegan2", "golden-conditional", "golden-stylegan3")


@pytest.mark.parametrize("name", MODELS)
def test_a_native_model_is_described_as_before(user: User, name: str) -> None:
    user.install_models()
    info = json.loads(user.run("models", "info", name, "--json"))
    expected = json.loads((GOLDEN / "models" / f"{name}.json").read_text())
    expected["settings"] |= {"method": DEFAULT_METHOD, "stay": 0.4}  # the file names neither
    expected["is_w_average_estimated"] = False
    assert info == expected | {"path": str(user.data / "models" / f"{name}.safetensors")}


@pytest.mark.parametrize("name", MODELS)
def test_a_native_model_makes_the_same_image(user: User, name: str) -> None:
    user.install_models()
    chosen_class = ("--class", "2") if name == "golden-conditional" else ()
    image = user.render("--model", name, "--seed", "5", *chosen_class)
    assert_same_image(image, GOLDEN / "images" / f"{name}.png")


@pytest.mark.parametrize(
    "file", ["latent.npy", "latent.npz", "latent.npz#w", "latent.safetensors", "latent.safetensors#w"]
)
def test_an_exported_latent_makes_the_same_image(user: User, file: str) -> None:
    user.install_models()
    image = user.render("--model", "golden-stylegan2", "--latent", str(GOLDEN / "latents" / file))
    assert_same_image(image, GOLDEN / "images" / "latent.png")
