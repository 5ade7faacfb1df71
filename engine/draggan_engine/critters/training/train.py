"""Teaches the bundled model the critters: `python -m draggan_engine.critters.training.train --preset cpu --state DIR`.

Interrupting it is safe: the same command goes on where it was. Needs numba (extra `train`).
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
from .trainer import Trainer
from .w_whitening import unwhiten_w

STATE_FILE = "state.pt"
STEPS_PER_REPORT = 25  # steps
# For glibc: maps that are given back to the system after each step have to be asked for again at the next one. Measured
# on a virtual machine of two cores, at 128 px: 30 pictures/s without it, 50 with it.
MALLOC_SETTINGS = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "MALLOC_TOP_PAD_": str(2**28),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m draggan_engine.critters.training.train", description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, required=True)
    parser.add_argument("--state", type=Path, default=Path("training"), help="folder of the run; resumed if it has one")
    parser.add_argument(
        "--continue-from", "--go-on-from", type=Path, help="model file whose weights this run starts from"
    )
    parser.add_argument("--device", help="default: auto; cpu for a preset of several processes")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and the data")
    parser.add_argument("--save-every", type=int, default=1000, help="steps between saved states")
    args = parser.parse_args(arguments)
    if args.continue_from is not None:  # here: a worker's error would come with a traceback
        try:
            config = load_model(str(args.continue_from), "cpu").generator.config
            config = config.model_copy(update={"mapping_layers": config.mapping_layers - 1})  # the exported file's own
        except DragganError as error:
            parser.error(str(error))
        if not (isinstance(config, StyleGAN2Config) and can_grow_into(config, PRESETS[args.preset].generator)):
            parser.error(
                f"{args.continue_from}: its network is neither that of the preset {args.preset} nor a part of it; "
                "choose another of the two"
            )
    args.state.mkdir(parents=True, exist_ok=True)
    workers = PRESETS[args.preset].workers
    args.device = args.device or ("auto" if workers == 1 else "cpu")
    if workers == 1:
        _run(0, args)
    else:
        os.environ["NUMBA_NUM_THREADS"] = "1"  # of each worker, which draws its own scenes
        os.environ |= MALLOC_SETTINGS
        spawn(_work, (workers, _free_port(), args), workers)  # type: ignore[no-untyped-call]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _work(worker: int, workers: int, port: int, args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", world_size=workers, rank=worker)
    _run(worker, args)
    torch.distributed.destroy_process_group()


def _run(worker: int, args: argparse.Namespace) -> None:
    preset, device = PRESETS[args.preset], resolve_device(args.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32
    trainer = Trainer(preset, args.seed, device, worker, preset.workers)
    if (args.state / STATE_FILE).exists():
        trainer.load(args.state / STATE_FILE)
    elif args.continue_from is not None:
        model = load_model(str(args.continue_from), "cpu")
        if worker == 0:
            print(
                f"going on from {args.continue_from}; new features of the mapping, if any, learn to read first",
                flush=True,
            )
        trainer.continue_from(unwhiten_w(model.generator), model.load_discriminator())
    if worker > 0:
        for _ in trainer.steps():
            pass
        return
    began, first = time.monotonic(), trainer.step
    smooth = 0.0
    for now in trainer.steps():
        smooth = now.distillation if smooth == 0 else 0.98 * smooth + 0.02 * now.distillation
        last = trainer.step == trainer.total_steps
        if trainer.step % STEPS_PER_REPORT == 0 or last:
            rate = (trainer.step - first) / (time.monotonic() - began)
            left = (trainer.total_steps - trainer.step) / rate / 60
            line = (
                f"{now.stage.resolution} px, {trainer.step * preset.batch:,} pictures seen, loss {smooth:.4f}"
                f"{f', adversarial {now.adversarial:.2f}' if now.stage.adversarial else ''}, "
                f"{rate * preset.batch:.0f} pictures/s, {left:.0f} min left at that rate"
            )
            print(f"\r{line}\x1b[K", end="", flush=True)
        if finished := trainer.finished_stages:  # kept: the next stage may be one too many
            trainer.save(args.state / f"stage-{finished}.pt")
        if trainer.step % args.save_every == 0 or finished:
            trainer.save(args.state / STATE_FILE)
            found = measure_errors(trainer.ema, now.stage.resolution)
            save_sample_sheet(trainer.ema, now.stage.resolution, args.state / "samples.png")
            print(
                f"\nheld out at {now.stage.resolution} px after {trainer.step * preset.batch:,} pictures: error "
                f"{found.whole:.4f}, in the parts {found.parts:.4f}, Fréchet distance {found.frechet:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
