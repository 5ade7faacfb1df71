"""One small file of each kind that the loader reads: the fixtures, and files that are made from them here."""

from __future__ import annotations

import io
import pickle
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save
from safetensors.torch import save as save_tensors
from torch import nn

from draggan_engine.checkpoints.loader import convert_model, load_model
from tests.support.nvidia_files import persist_generator, persistence_module
from tests.support.paths import CHECKPOINTS, FIXTURES

FIXTURE_FILES = tuple(path for path in sorted(CHECKPOINTS.iterdir()) if path.suffix in (".pkl", ".pt"))
ZOO_FILES = tuple(
    FIXTURES / "zoo" / name
    for name in (
        "genforce-sg2/stylegan2_ffhq1024.pth",
        "mmgen-sg2/stylegan2_c2_ffhq_1024_b4x8.pth",
        "sg3-t-torchsave-p5/m.pt",
        "sg3edit-restyle/restyle_pSp_ffhq.pt",
        "tf-sg2-config-f-py38/network-snapshot-000800.pkl",
        "xl-superres/pokemon64.pkl",
    )
)
LATENT = np.random.RandomState(0).randn(1, 8, 64).astype(np.float32)


@cache
def make_specimens(directory: Path) -> dict[str, bytes]:
    """Return the contents of the files by name.

    Args:
        directory: for intermediate files.
    """
    contents = {path.name: path.read_bytes() for path in FIXTURE_FILES + ZOO_FILES}
    native_path = directory / "native"
    convert_model(str(CHECKPOINTS / "sg2_flat_32.pkl"), native_path, "native")
    contents["native.safetensors"] = native_path.read_bytes()
    generator = load_model(str(native_path), "cpu").generator
    rosinality_root = torch.load(CHECKPOINTS / "rosinality_converted_32.pt", weights_only=True)
    contents["rosinality, older.pt"] = torch_save_bytes(rosinality_root, is_zip=False)
    contents["foreign.safetensors"] = save_tensors(rosinality_root["g_ema"])
    with persistence_module():
        contents["whole module.pt"] = torch_save_bytes(persist_generator(generator), is_zip=True)
        contents["whole module, older.pt"] = torch_save_bytes(persist_generator(generator), is_zip=False)
        root = {"G_ema": persist_generator(generator), "D": nn.Sequential(nn.ReLU()), "path": Path("/data")}
        contents |= {f"protocol {protocol}.pkl": pickle.dumps(root, protocol) for protocol in (0, 1)}
    return contents | _make_latent_files()


def _make_latent_files() -> dict[str, bytes]:
    latent = torch.from_numpy(LATENT)
    root = {"latents": [latent, latent[0]]}
    contents = {
        "latent.pt": torch_save_bytes(root, is_zip=True),
        "latent, older.pt": torch_save_bytes(root, is_zip=False),
        "latent.safetensors": save({"latent": LATENT}),
    }
    for name, write in (("latent.npz", np.savez), ("latent, packed.npz", np.savez_compressed)):
        buffer = io.BytesIO()
        write(buffer, latent=LATENT)
        contents[name] = buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, LATENT)
    contents["latent.npy"] = buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, {"latents": [LATENT, LATENT[0]]}, allow_pickle=True)
    contents["latent, dictionary.npy"] = buffer.getvalue()
    return contents


def torch_save_bytes(value: object, *, is_zip: bool) -> bytes:
    """Return the content of a file that torch.save writes.

    Args:
        is_zip: the container since torch 1.6; otherwise the one before.
    """
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=is_zip)
    return buffer.getvalue()
