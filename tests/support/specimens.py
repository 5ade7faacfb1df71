"""One file of each kind that is read, small: the fixtures, and what is made of them here."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from draggan_engine.checkpoints.loader import convert_model, load_model
from tests.support.nvidia_files import generator_object, persistence
from tests.support.paths import FIXTURES

FOLDER = FIXTURES / "checkpoints"
FIXTURES = tuple(path for path in sorted(FOLDER.iterdir()) if path.suffix in (".pkl", ".pt"))
WS = np.random.RandomState(0).randn(1, 8, 64).astype(np.float32)


@cache
def specimens(folder: Path) -> dict[str, bytes]:
    """Contents by name.

    Args:
        folder: for files in between.
    """
    found = {path.name: path.read_bytes() for path in FIXTURES}
    source, native = FOLDER / "sg2_flat_32.pkl", folder / "native"
    convert_model(str(source), native, "native")
    found["native.safetensors"] = native.read_bytes()
    network = load_model(str(native), "cpu").generator
    dictionary = torch.load(FOLDER / "rosinality_converted_32.pt", weights_only=True)
    found["rosinality, older.pt"] = saved(dictionary, new=False)
    with persistence():
        found["whole module.pt"] = saved(generator_object(network), new=True)
        found["whole module, older.pt"] = saved(generator_object(network), new=False)
    latent = torch.from_numpy(WS)
    found["latent.pt"] = saved({"latents": [latent, latent[0]]}, new=True)
    found["latent, older.pt"] = saved({"latents": [latent, latent[0]]}, new=False)
    found["latent.safetensors"] = save({"latent": WS})
    for name, write in (("latent.npz", np.savez), ("latent, packed.npz", np.savez_compressed)):
        file = io.BytesIO()
        write(file, latent=WS)
        found[name] = file.getvalue()
    file = io.BytesIO()
    np.save(file, WS)
    found["latent.npy"] = file.getvalue()
    return found


def saved(value: object, *, new: bool) -> bytes:
    """By torch.save; `new`: as it has been since version 1.6."""
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=new)
    return file.getvalue()
