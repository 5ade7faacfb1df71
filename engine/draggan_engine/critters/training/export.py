"""Makes the bundled model's file out of a training run: `python -m draggan_engine.critters.training.export --preset cpu --state DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from draggan_engine.checkpoints.formats.native import save_native
from draggan_engine.checkpoints.formats.native_header import NativeInfo
from draggan_engine.checkpoints.model_parts import DiscriminatorPart, GeneratorPart
from draggan_engine.core.edit import DragSettings
from draggan_engine.networks.generator import Generator

from .metrics import HELD_OUT_SEEDS, generate_images
from .presets import PRESETS
from .train import STATE_FILE
from .trainer import Trainer
from .w_whitening import whiten_w

# Chosen by the ablations in docs/evaluation-history.md. The step size suits a w whose components have a standard deviation
# of 1; the paper's 0.002 is for FFHQ.
SETTINGS_AT_128 = DragSettings(
    space="w", feature_block="b32", r1=8, r2=10, step_size=0.02, mask_weight=30, max_steps=300
)
BUNDLED_DIRECTORY = Path(__file__).parents[2] / "checkpoints" / "bundled"
MODEL_LICENCE = "Apache-2.0, as draggan-tui itself"
MAX_ROUNDING_CHANGE = 1 / 255  # of the range of a picture: what half the numbers' length may change


def shorten_weights(generator: Generator) -> dict[str, Tensor]:
    """Its state, with as much in float16 as leaves no pixel of the held-out pictures more than a level off: everything, or the
    largest of the convolutions' kernels, which are most of it (a stretched W's style layers need all their digits)."""
    state = generator.state_dict()
    kernels = sorted((name for name in state if state[name].ndim == 4), key=lambda name: state[name].numel())
    seen = generate_images(generator, HELD_OUT_SEEDS, generator.config.resolution)
    for names in (list(state), *(kernels[smallest:] for smallest in range(len(kernels)))):
        short = {name: tensor.half() if name in names else tensor for name, tensor in state.items()}
        rounded = Generator(generator.config).requires_grad_(False)
        rounded.load_state_dict(short)
        changed = generate_images(rounded, HELD_OUT_SEEDS, generator.config.resolution)
        if float((changed - seen).abs().max()) / 2 <= MAX_ROUNDING_CHANGE:
            return short
    return state


def settings_for_resolution(resolution: int) -> DragSettings:
    """Those that were chosen at 128 px, whose lengths are pixels, and whose features are a quarter as high."""
    scale = resolution / 128
    changes = {
        "feature_block": f"b{resolution // 4}",
        "r1": SETTINGS_AT_128.r1 * scale,
        "r2": SETTINGS_AT_128.r2 * scale,
    }
    return SETTINGS_AT_128.model_copy(update=changes)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m draggan_engine.critters.training.export", description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, required=True)
    parser.add_argument("--state", type=Path, default=Path("training"), help="folder of the run, or one state of its")
    parser.add_argument("--out", type=Path, help="the model file; default: the bundled one of that name")
    args = parser.parse_args(arguments)
    run: Path = args.state / STATE_FILE if args.state.is_dir() else args.state
    if not run.is_file():
        parser.error(f"{run}: there is no such file; give the folder of a training run")
    trainer = Trainer(PRESETS[args.preset], seed=0)
    trainer.load(run)
    generator = whiten_w(trainer.ema)
    out: Path = args.out or BUNDLED_DIRECTORY / f"{trainer.preset.name}.safetensors"
    info = NativeInfo(
        name=trainer.preset.name,
        psi=1.0,
        settings=settings_for_resolution(trainer.preset.resolution),
        licence=MODEL_LICENCE,
    )
    judge = DiscriminatorPart.from_network(trainer.discriminator.half()) if trainer.discriminator_trained else None
    state = shorten_weights(generator)
    save_native(out, GeneratorPart(generator.config, state), judge, info, dtype=None)
    short = sum(tensor.numel() for tensor in state.values() if tensor.dtype == torch.float16)
    share = short / sum(tensor.numel() for tensor in state.values())
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {share:.0%} of its numbers in float16")


if __name__ == "__main__":
    main()
