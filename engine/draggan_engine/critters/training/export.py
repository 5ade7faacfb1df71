"""Write the model file of a training run.

Run `python -m draggan_engine.critters.training.export --preset cpu --state DIR`.
"""

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

from .metrics import HELD_OUT_SEEDS, generate_scene_images
from .presets import PRESETS
from .run_arguments import add_run_arguments
from .train import STATE_FILE
from .trainer import Trainer
from .w_whitening import whiten_w

SETTINGS_AT_128 = DragSettings(
    space="w", feature_block="b32", r1=8, r2=10, step_size=0.02, mask_weight=30, max_steps=300
)
"""Chosen by the ablations in docs/evaluation-history.md. The step size suits a W whose components have a standard deviation of
1; the paper's 0.002 is for FFHQ."""
BUNDLED_DIRECTORY = Path(__file__).parents[2] / "checkpoints" / "bundled"
MODEL_LICENCE = "Apache-2.0, as draggan-tui itself"
MAX_ROUNDING_CHANGE = 1 / 255
"""How much float16 weights may change a pixel, as a share of the range of images."""


def shorten_weights(generator: Generator) -> dict[str, Tensor]:
    """Return the generator's state with as many weights in float16 as change no held-out image by more than one level.

    These are all weights or, if that changes too much, the largest convolution kernels, which are most of them. The style
    layers of a whitened W need all their digits.
    """
    tensors_by_name = generator.state_dict()
    kernel_names = sorted(
        (tensor_name for tensor_name in tensors_by_name if tensors_by_name[tensor_name].ndim == 4),
        key=lambda tensor_name: tensors_by_name[tensor_name].numel(),
    )
    exact_images = generate_scene_images(generator, HELD_OUT_SEEDS, generator.config.resolution)
    for half_names in (
        list(tensors_by_name),
        *(kernel_names[first_kernel:] for first_kernel in range(len(kernel_names))),
    ):
        short_state = {
            tensor_name: tensor.half() if tensor_name in half_names else tensor
            for tensor_name, tensor in tensors_by_name.items()
        }
        rounded_generator = Generator(generator.config).requires_grad_(False)
        rounded_generator.load_state_dict(short_state)
        rounded_images = generate_scene_images(rounded_generator, HELD_OUT_SEEDS, generator.config.resolution)
        if float((rounded_images - exact_images).abs().max()) / 2 <= MAX_ROUNDING_CHANGE:
            return short_state
    return tensors_by_name


def settings_for_resolution(resolution: int) -> DragSettings:
    """Return `SETTINGS_AT_128` for another resolution: radii scale with it, and features have a quarter of its height."""
    size_ratio = resolution / 128
    changed_settings = {
        "feature_block": f"b{resolution // 4}",
        "r1": SETTINGS_AT_128.r1 * size_ratio,
        "r2": SETTINGS_AT_128.r2 * size_ratio,
    }
    return SETTINGS_AT_128.model_copy(update=changed_settings)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m draggan_engine.critters.training.export", description=__doc__)
    add_run_arguments(parser, "directory of the run, or one of its state files")
    parser.add_argument("--out", type=Path, help="the model file; default: the bundled model of the same name")
    args = parser.parse_args(arguments)
    state_path: Path = args.state / STATE_FILE if args.state.is_dir() else args.state
    if not state_path.is_file():
        parser.error(f"--state: {state_path} does not exist; give the directory of a training run")
    trainer = Trainer(PRESETS[args.preset], seed=0)
    trainer.load(state_path)
    generator, preset = whiten_w(trainer.ema), trainer.preset
    model_path: Path = args.out or BUNDLED_DIRECTORY / f"{preset.name}.safetensors"
    drag_settings = settings_for_resolution(preset.resolution)
    native_info = NativeInfo(name=preset.name, psi=1.0, settings=drag_settings, licence=MODEL_LICENCE)
    discriminator = (
        DiscriminatorPart.from_network(trainer.discriminator.half()) if trainer.discriminator_trained else None
    )
    tensors_by_name = shorten_weights(generator)
    save_native(model_path, GeneratorPart(generator.config, tensors_by_name), discriminator, native_info, dtype=None)
    short_count = sum(tensor.numel() for tensor in tensors_by_name.values() if tensor.dtype == torch.float16)
    short_share = short_count / sum(tensor.numel() for tensor in tensors_by_name.values())
    print(f"{model_path}: {model_path.stat().st_size / 1e6:.1f} MB, {short_share:.0%} of the weights in float16")


if __name__ == "__main__":
    main()
