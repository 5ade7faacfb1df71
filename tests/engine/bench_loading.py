"""Time and memory of loading a model of the usual size, as printed ratios.

    python tests/engine/bench_loading.py [--resolution 1024] [--torch-save]

Writes a StyleGAN2 with random weights as NVIDIA's tools would (G, D and G_ema), then loads it in processes of their own:
the first time, the second time (from the converted copy), and as a draggan-tui file. Memory is the peak of the
process over what it was when torch had been imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from draggan_engine.checkpoints.loader import convert
from draggan_engine.networks.config import DiscriminatorConfig, StyleGAN2Config, pyramid_channels
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator
from tests.support.nvidia_files import write, write_pti

# VmHWM, not getrusage: that one begins with what the parent had.
_LOAD = """
import json, re, sys, time
import torch
from draggan_engine.checkpoints.catalogue import load_model
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024
before, began = peak(), time.monotonic()
load_model(sys.argv[1], "cpu")
print(json.dumps({"seconds": time.monotonic() - began, "bytes": peak() - before}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolution", type=int, default=1024)
    parser.add_argument("--torch-save", action="store_true", help="a whole module by torch.save, as PTI does")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_DATA_HOME"] = str(home / "xdg")
        file, native = home / "model.file", home / "model.safetensors"
        torch.manual_seed(0)
        channels = pyramid_channels(args.resolution, 32768, 512)
        generator = Generator(StyleGAN2Config(resolution=args.resolution, channels=channels))
        if args.torch_save:
            write_pti(file, generator)
        else:
            discriminator = Discriminator(DiscriminatorConfig(resolution=args.resolution, channels=channels))
            write(file, generator, discriminator, copies=2)
            del discriminator
        del generator
        rows = [("first time", file), ("second time, converted copy", file)]
        first: float | None = None
        print(f"{file.stat().st_size / 1e6:.0f} MB file")
        for what, path in rows:
            first = report(what, path, first)
        convert(str(file), native, "model")
        report(f"draggan-tui file, {native.stat().st_size / 1e6:.0f} MB", native, first)


def report(what: str, path: Path, first: float | None) -> float:
    """One line; returns the seconds of the first one."""
    out = subprocess.run([sys.executable, "-c", _LOAD, str(path)], check=True, capture_output=True, text=True).stdout
    figures = json.loads(out)
    ratio = figures["bytes"] / path.stat().st_size
    first = first or figures["seconds"]
    print(f"{what:<36} {figures['seconds']:6.2f} s ({figures['seconds'] / first:.2f}×)   peak {ratio:.2f}× the file")
    return first


if __name__ == "__main__":
    main()
