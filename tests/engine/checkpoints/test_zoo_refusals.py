"""Files that hold no StyleGAN2 or StyleGAN3 are refused with a message that says what they are and what helps."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save as save_tensors

from draggan_engine.checkpoints.loader import convert_model, load_model
from draggan_engine.core.errors import CheckpointError, Remedy
from draggan_engine.networks.config import DiscriminatorConfig, StyleGAN2Config
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator
from tests.support.nvidia_files import persist_discriminator, persist_generator, pickle_nvidia, write_nvidia_pickle
from tests.support.paths import CHECKPOINTS, FIXTURES
from tests.support.references import Record

ZOO = FIXTURES / "zoo"
USE_STYLEGAN = "use a file of StyleGAN2 or StyleGAN3 instead"
ACCEPTED = "give a StyleGAN2 or StyleGAN3 file; the documentation on models lists the formats"
NETWORKS = {
    "tf-sg1": f"holds a StyleGAN1 generator; {USE_STYLEGAN}",
    "sg1-lernapparat": f"holds a StyleGAN1 generator; {USE_STYLEGAN}",
    "rosi-sg1": f"holds a StyleGAN1 generator; {USE_STYLEGAN}",
    "gfpgan-like": "holds a GFPGAN restoration network, which is conditioned on an image; "
    "use an unconditional StyleGAN2 instead, for example the one that GFPGAN was trained from",
    "semantic-sg": "holds a SemanticStyleGAN generator, which draws each part of a face with a network of its own; "
    f"{USE_STYLEGAN}",
    "lucidrains": "holds a generator of lucidrains' stylegan2-pytorch, which is another network than StyleGAN2; "
    f"{USE_STYLEGAN}",
}


def refusal(path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_model(str(path), "cpu")
    return caught.value


@pytest.mark.parametrize("case", NETWORKS)
def test_another_network_is_named(case: str, record_property: Record) -> None:
    (path,) = (ZOO / case).iterdir()
    record_property("zoo file", (case, f"refused: {refusal(path)}".replace(str(path), path.name)))
    assert str(refusal(path)) == f"{path} {NETWORKS[case]}"


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def npy(*shape: int) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(shape, np.float32))
    return stream.getvalue()


def npz(*shape: int) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, w=np.zeros(shape, np.float32))
    return stream.getvalue()


def zip_archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("models/ffhq.pkl", "weights")
    return stream.getvalue()


def image(image_format: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, image_format)
    return stream.getvalue()


FASTGAN = {
    "g": {
        "init.init.0.weight_orig": torch.zeros(4, 4, 4, 4),
        "feat_8.1.weight_orig": torch.zeros(4, 4, 3, 3),
        "se_64.main.1.weight_orig": torch.zeros(4, 4, 4, 4),
    }
}
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4" * 64 + b"\nsize 381646287\n"
OTHER_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "FastGAN": (lambda: saved(FASTGAN), f"holds a FastGAN generator, which has no w; {USE_STYLEGAN}"),
    "git-LFS pointer": (
        lambda: LFS_POINTER,
        "is a git-LFS pointer, a small text in place of the model; get the model itself with: git lfs pull",
    ),
    "web page": (
        lambda: b"\n<!DOCTYPE html>\n<html><head><title>Google Drive - Virus scan warning</title>",
        "is a web page, not a model; open its address in a browser and download the model from there",
    ),
    "PNG": (lambda: image("PNG"), f"is an image (PNG), not a model; {ACCEPTED}"),
    "JPEG": (lambda: image("JPEG"), f"is an image (JPEG), not a model; {ACCEPTED}"),
    "WebP": (lambda: image("WEBP"), f"is an image (WebP), not a model; {ACCEPTED}"),
    "zip archive": (zip_archive, "is a zip archive, not a model; unpack it, and give the model that it contains"),
    "gzip": (
        lambda: b"\x1f\x8b\x08" + bytes(40),
        "is a compressed file (gzip); unpack it, and give the model that it contains",
    ),
    "text": (lambda: b"notes", f"is not a model file, or its beginning is missing; {ACCEPTED}"),
    "unknown dictionary": (
        lambda: saved({"net": {"a": torch.zeros(2, 2)}, "epoch": 3}),
        f"holds no generator that this version can load; its top-level keys are net, epoch; {ACCEPTED}",
    ),
    "many unknown keys": (
        lambda: saved({f"layer{i}.weight": torch.zeros(2, i + 1) for i in range(20)}),
        "holds no generator that this version can load; its 20 top-level keys begin with layer0.weight, layer1.weight, "
        f"layer2.weight, layer3.weight, layer4.weight, layer5.weight, layer6.weight, layer7.weight; {ACCEPTED}",
    ),
    "unknown .safetensors": (
        lambda: save_tensors({"body.weight": torch.zeros(2, 2), "body.bias": torch.zeros(3)}),
        f"holds no generator that this version can load; its top-level keys are body.bias, body.weight; {ACCEPTED}",
    ),
    "unknown list": (
        lambda: saved([1, 2]),
        f"holds no generator that this version can load; it is a list; {ACCEPTED}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_another_file_is_named(kind: str, tmp_path: Path) -> None:
    make_content, expected_text = OTHER_FILES[kind]
    path = tmp_path / "model.pkl"
    path.write_bytes(make_content())
    error = refusal(path)
    assert (str(error), error.remedy) == (f"{path} {expected_text}", None)


LATENTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "tensor": (lambda: saved(torch.zeros(1, 18, 512)), "holds a latent or another array ([1, 18, 512]), not a model"),
    "tensors": (
        lambda: saved({"a": torch.zeros(18, 512), "b": torch.zeros(512)}),
        "holds a latent or another array ([18, 512]), not a model",
    ),
    ".safetensors": (
        lambda: save_tensors({"w": torch.zeros(1, 18, 512)}),
        "holds a latent or another array ([1, 18, 512]), not a model",
    ),
    ".npy": (lambda: npy(1, 18, 512), "holds arrays of numpy, not a model"),
    ".npz": (lambda: npz(1, 18, 512), "holds arrays of numpy, not a model"),
}


@pytest.mark.parametrize("kind", LATENTS)
def test_a_latent_is_to_be_started_from(kind: str, tmp_path: Path) -> None:
    make_content, expected_text = LATENTS[kind]
    path = tmp_path / "latents"
    path.write_bytes(make_content())
    error = refusal(path)
    assert (str(error), error.remedy) == (f"{path} {expected_text}", Remedy.start_from_latent)


DISCRIMINATORS = {
    "sg3-sg2-foreignD": "it is an object of torch.nn.modules.container.Sequential, which this version does not know and has "
    "not run",
    "tf-sg2-config-f-py38": "this version does not read those of TensorFlow pickles",
}


def check_discriminator_problem(path: Path, expected_text: str, directory: Path) -> None:
    """Check that the reason is stated when a file is opened for the first time, from its converted copy, and when it is
    converted."""
    for _ in range(2):
        with pytest.raises(CheckpointError) as caught:
            load_model(str(path), "cpu").load_discriminator()
        assert str(caught.value) == f"{path}: discriminator: {expected_text}"
    assert convert_model(str(path), directory / "new.safetensors", "new") == f"{path}: discriminator: {expected_text}"


@pytest.mark.parametrize("case", DISCRIMINATORS)
def test_the_reason_why_a_discriminator_cannot_be_used_is_kept(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (path,) = (path for path in (ZOO / case).iterdir() if path.name != "ref.npz")
    check_discriminator_problem(path, DISCRIMINATORS[case], tmp_path)


@pytest.mark.parametrize("name", ["d", "discriminator.convs.0.weight"])
def test_a_discriminator_in_a_state_dict_is_mentioned(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = torch.load(CHECKPOINTS / "rosinality_converted_32.pt", weights_only=True)
    weight = torch.zeros(2, 2)
    torch.save({**root, name: {"convs.0.weight": weight} if name == "d" else weight}, tmp_path / "model.pt")
    check_discriminator_problem(tmp_path / "model.pt", "this version does not read those of state dicts", tmp_path)


def test_a_discriminator_of_another_architecture_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    discriminator = persist_discriminator(Discriminator(DiscriminatorConfig(resolution=8, channels=(4, 4))))
    discriminator.init_kwargs["architecture"] = "orig"
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle_nvidia({"G_ema": persist_generator(make_generator()), "D": discriminator}))
    expected_text = (
        "its architecture is orig; this version opens StyleGAN2 and StyleGAN3 files whose architecture is resnet"
    )
    check_discriminator_problem(path, expected_text, tmp_path)


def make_path_of_other_bytes(directory: Path) -> Path:
    """Return a path that is not UTF-8."""
    return Path(os.fsdecode(os.fsencode(directory) + b"/caf\xe9.safetensors"))


def test_a_path_of_other_bytes_does_not_matter(tmp_path: Path) -> None:
    path = make_path_of_other_bytes(tmp_path)
    source_path = write_nvidia_pickle(tmp_path / "model.pkl", make_generator())
    convert_model(str(source_path), tmp_path / "model.safetensors", "tiny")
    path.write_bytes((tmp_path / "model.safetensors").read_bytes())
    assert load_model(str(path), "cpu").name == "tiny"
    path.write_bytes(path.read_bytes()[:-4])
    assert "is not a whole safetensors file" in str(refusal(path))


def make_generator() -> Generator:
    return Generator(StyleGAN2Config(resolution=8, z_dim=4, w_dim=4, mapping_layers=1, channels=(4, 4)))
