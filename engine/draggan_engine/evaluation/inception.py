"""The features of Inception v3 for the FID (Heusel et al. 2017), where torch-fidelity and its weights are on this machine."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .metrics import FeatureFunction

WEIGHTS_NAME = "weights-inception-2015-12-05-6726825d.pth"
FEATURE_NAME = "2048"
"""The pooled features before the last layer, of which there are 2048."""
_EXTRACTOR_MODULE = "torch_fidelity.feature_extractor_inceptionv3"
_BATCH_SIZE = 16


@cache
def why_no_inception() -> str | None:
    """Return why the FID cannot be computed on this machine, or None if it can. The weights are never downloaded."""
    if importlib.util.find_spec("torch_fidelity") is None:
        return "the package torch-fidelity is not installed"
    weights_path = _weights_path()
    if not weights_path.exists():
        return f"the weights of Inception v3 are not on this machine ({weights_path})"
    try:
        load_inception()
    except Exception as load_error:  # neither torch-fidelity nor torch documents what it raises
        return f"Inception v3 cannot be loaded ({load_error})"
    return None


@cache
def load_inception() -> FeatureFunction:
    """Return the features `[N, 2048]` of images."""
    weights_path = _weights_path()
    # torch-fidelity would run any code in the file, so a file that holds anything but tensors is refused first.
    torch.load(weights_path, map_location="cpu", weights_only=True)
    extractor: Any = importlib.import_module(_EXTRACTOR_MODULE).FeatureExtractorInceptionV3(
        "inception-v3", [FEATURE_NAME], feature_extractor_weights_path=str(weights_path)
    )

    @torch.inference_mode()
    def features(images: Tensor) -> NDArray[np.float32]:
        pixels = ((images.cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return np.concatenate([extractor(batch)[0].float().numpy() for batch in torch.split(pixels, _BATCH_SIZE)])

    return features


def _weights_path() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
