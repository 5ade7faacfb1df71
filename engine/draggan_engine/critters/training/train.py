"""Train a bundled model.

Run `python -m draggan_engine.critters.training.train --preset cpu --state DIR`. Interrupting it is safe: the same command
continues the run. Needs numba (extra `train`).
"""

from __future__ import annotations

import argparse
import os
import socket
import time
from pathlib import Path

import torch
import torch.distributed
from torch.multiprocessing.spawn import spawn

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.errors import DragganError
from draggan_engine.networks.config import StyleGAN2Config
from draggan_engine.networks.devices import resolve_device

from .metrics import measure_errors, save_sample_sheet
from .presets import PRESETS
from .progressive_growing import can_grow_into
from .run_arguments import add_run_arguments
from .trainer import Trainer, TrainingStep, read_state
from .w_whitening import unwhiten_w

STATE_FILE = "state.pt"
STEPS_PER_REPORT = 25
MALLOC_SETTINGS = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "MALLOC_TOP_PAD_": str(2**28),
}
"""Make glibc keep memory between steps instead of returning it to the system."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m draggan_engine.critters.training.train", description=__doc__)
    add_run_arguments(parser, "directory of the run; a run in it is continued")
    parser.add_argument(
        "--continue-from", type=Path, metavar="FILE", help="model file whose weights this run starts with"
    )
    parser.add_argument("--device", help="default: auto; for a preset with several processes: cpu")
    parser.add_argument("--seed", type=int, default=0, help="decides the initial weights and the data")
    parser.add_argument("--save-every", type=int, default=1000, metavar="STEPS", help="steps between saved states")
    args = parser.parse_args(arguments)
    # These are checked here, because an error in a worker would print a traceback.
    if (args.state / STATE_FILE).exists():
        _check_state(parser, args)
    if args.continue_from is not None:
        _check_first_model(parser, args)
    args.state.mkdir(parents=True, exist_ok=True)
    worker_count = PRESETS[args.preset].workers
    args.device = args.device or ("auto" if worker_count == 1 else "cpu")
    if worker_count == 1:
        _run(0, args)
    else:
        os.environ["NUMBA_NUM_THREADS"] = "1"  # of each worker, which draws its own scenes
        os.environ |= MALLOC_SETTINGS
        spawn(_work, (worker_count, _free_port(), args), worker_count)  # type: ignore[no-untyped-call]


def _check_state(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    try:
        read_state(args.state / STATE_FILE, torch.device("cpu"))
    except DragganError as read_error:
        parser.error(f"--state: {read_error}")


def _check_first_model(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    try:
        generator_config = load_model(str(args.continue_from), "cpu").generator.config
        layer_count = generator_config.mapping_layers - 1  # before `whiten_w`
        generator_config = generator_config.model_copy(update={"mapping_layers": layer_count})
    except DragganError as load_error:
        parser.error(f"--continue-from: {load_error}")
    if not (
        isinstance(generator_config, StyleGAN2Config)
        and can_grow_into(generator_config, PRESETS[args.preset].generator)
    ):
        parser.error(
            f"--continue-from: the network of {args.continue_from} is neither that of the preset {args.preset} nor a part "
            "of it; choose another preset or model"
        )


def _free_port() -> int:
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        free_port: int = probe_socket.getsockname()[1]
    return free_port


def _work(worker_index: int, worker_count: int, free_port: int, args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", f"tcp://127.0.0.1:{free_port}", world_size=worker_count, rank=worker_index
    )
    _run(worker_index, args)
    torch.distributed.destroy_process_group()


def _run(worker_index: int, args: argparse.Namespace) -> None:
    preset, device = PRESETS[args.preset], resolve_device(args.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32
    trainer = Trainer(preset, args.seed, device, worker_index, preset.workers)
    if (args.state / STATE_FILE).exists():
        trainer.load(args.state / STATE_FILE)
    elif args.continue_from is not None:
        first_model = load_model(str(args.continue_from), "cpu")
        if worker_index == 0:
            print(f"continuing from {args.continue_from}; new features of the mapping are trained first", flush=True)
        trainer.continue_from(unwhiten_w(first_model.generator), first_model.load_discriminator())
    if worker_index > 0:
        for _ in trainer.steps():
            pass
        return
    start_time, first_step = time.monotonic(), trainer.step
    mean_loss = 0.0
    for training_step in trainer.steps():
        mean_loss = (
            training_step.distillation if mean_loss == 0 else 0.98 * mean_loss + 0.02 * training_step.distillation
        )
        if trainer.step % STEPS_PER_REPORT == 0 or trainer.step == trainer.total_steps:
            steps_per_second = (trainer.step - first_step) / (time.monotonic() - start_time)
            print(f"\r{_progress_line(trainer, training_step, mean_loss, steps_per_second)}\x1b[K", end="", flush=True)
        if finished_stages := trainer.finished_stages:  # kept, because the next stage may make the model worse
            trainer.save(args.state / f"stage-{finished_stages}.pt")
        if trainer.step % args.save_every == 0 or finished_stages:
            trainer.save(args.state / STATE_FILE)
            _report_errors(trainer, training_step.stage.resolution, args.state / "samples.png")


def _progress_line(trainer: Trainer, training_step: TrainingStep, mean_loss: float, steps_per_second: float) -> str:
    minutes_left = (trainer.total_steps - trainer.step) / steps_per_second / 60
    batch_size = trainer.preset.batch
    return (
        f"{training_step.stage.resolution} px, {trainer.step * batch_size:,} images, loss {mean_loss:.4f}"
        f"{f', adversarial {training_step.adversarial:.2f}' if training_step.stage.adversarial else ''}, "
        f"{steps_per_second * batch_size:.0f} images/s, {minutes_left:.0f} min left"
    )


def _report_errors(trainer: Trainer, resolution: int, sheet_path: Path) -> None:
    scene_errors = measure_errors(trainer.ema, resolution)
    save_sample_sheet(trainer.ema, resolution, sheet_path)
    print(
        f"\nheld-out scenes at {resolution} px after {trainer.step * trainer.preset.batch:,} images: error "
        f"{scene_errors.whole:.4f}, in the face parts {scene_errors.parts:.4f}, "
        f"Fréchet distance {scene_errors.frechet:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
