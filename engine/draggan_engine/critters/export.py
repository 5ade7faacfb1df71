"""Makes the bundled model's file out of a training run: `python -m draggan_engine.critters.export --state DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from draggan_engine.checkpoints.native import save_native
from draggan_engine.checkpoints.native_header import NativeInfo
from draggan_engine.checkpoints.parts import GeneratorPart
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.ops import Dense
from draggan_engine.protocol.edit import DragSettings

from .train import CONFIG

NAME = "critters-128"
# Chosen from the ablations in docs/evaluation.md. In W+ a drag of several points soon leaves what the model can draw; in
# W it does not, at no cost in how near it comes. The step fits a w whose components spread by 1 (0.002 is for FFHQ).
SETTINGS = DragSettings(space="w", feature_block="b32", r1=8, r2=10, step_size=0.02, mask_weight=30, max_steps=300)
BUNDLED = Path(__file__).parents[1] / "checkpoints" / "bundled" / f"{NAME}.safetensors"


def last_layer(generator: Generator) -> Dense:
    """Of the mapping: it makes w."""
    last = generator.mapping.get_submodule(f"fc{generator.config.mapping_layers - 1}")
    assert isinstance(last, Dense)
    return last


@torch.no_grad()
def scale_w(generator: Generator, factor: float) -> None:
    """Makes all w that factor larger; no picture changes.

    The last mapping layer is positively homogeneous (leaky ReLU), so scaling its weight and bias scales w, and each
    style layer takes it back.
    """
    last = last_layer(generator)
    last.weight.mul_(factor)
    last.bias.mul_(factor)
    generator.mapping.w_avg.mul_(factor)
    for name, module in generator.synthesis.named_modules():
        if name.endswith("affine"):
            assert isinstance(module, Dense)
            module.weight.div_(factor)


@torch.no_grad()
def unit_spread(generator: Generator, samples: int = 10_000) -> None:
    """Scales W so that its components have a standard deviation of 1, and sets `w_avg`; no picture changes. A drag's step
    size then means the same for every training run."""
    z = torch.from_numpy(np.random.RandomState(0).randn(samples, generator.config.z_dim).astype(np.float32))
    scale_w(generator, 1 / float(generator.mapping(z)[:, 0].std(dim=0).mean()))
    generator.mapping.w_avg.copy_(generator.mapping(z)[:, 0].mean(dim=0))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m draggan_engine.critters.export", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("training"), help="folder of the run")
    parser.add_argument("--out", type=Path, default=BUNDLED)
    args = parser.parse_args(arguments)
    generator = Generator(CONFIG)
    generator.load_state_dict(torch.load(args.state / "state.pt", weights_only=True)["ema"])
    unit_spread(generator)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    info = NativeInfo(name=NAME, psi=1.0, settings=SETTINGS, licence="Apache-2.0, as draggan-tui itself")
    save_native(args.out, GeneratorPart.of(generator), None, info)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
