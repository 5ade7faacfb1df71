"""An inversion that is killed at ten random moments ends with the same result, bit for bit, as one that was left alone."""

from __future__ import annotations

import multiprocessing
import random
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.inversion_choices import AlignmentChoice, InversionMethod
from draggan_engine.inversion import photograph_inversion, starts
from draggan_engine.inversion.aligned_photograph import PhotographAligner
from draggan_engine.inversion.inversion import InversionEnd
from draggan_engine.inversion.photograph_inversion import PhotographInversion
from draggan_engine.storage.image_io import read_photograph
from tests.support.patience import PATIENCE
from tests.support.tiny_models import random_generator, save_generator

STEPS, KILLS = 45, 10
MAX_STEPS_PER_LIFE = 4  # fewer than a tenth of the steps, so that none of the lives reaches the end

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Request:
    """What a process is to invert.

    Attributes:
        allowed_steps: after which the process waits to be killed; None: it continues to the end.
    """

    model_path: Path
    photograph_path: Path
    method: InversionMethod
    directory: Path
    allowed_steps: int | None = None


def _invert(connection: Connection, request: Request) -> None:
    """Send the number of each step, and at last the arrays of the result."""
    torch.set_num_threads(1)
    photograph_inversion.STATE_SECONDS = 0.0
    starts.CANDIDATE_COUNT = 16
    model = load_model(str(request.model_path), "cpu")
    photograph = read_photograph(request.photograph_path)
    aligner = PhotographAligner(AlignmentChoice(how="same size"), print)
    aligned = aligner.align(request.photograph_path, photograph, model)
    inversion = PhotographInversion(model, aligned, request.method, STEPS, 0, request.directory, lambda _: None)
    for count, event in enumerate(inversion.steps()):
        if isinstance(event, InversionEnd):
            connection.send(_arrays(event))
            return
        connection.send(event.step)
        if count + 1 == request.allowed_steps:
            _wait_to_be_killed()


def _wait_to_be_killed() -> None:
    while True:
        time.sleep(PATIENCE)


def _arrays(inversion_end: InversionEnd) -> Arrays:
    arrays: Arrays = {
        "image": inversion_end.image,
        "ws": inversion_end.ws.numpy(),
        "step": np.array(inversion_end.step),
    }
    if inversion_end.tuning is not None:
        arrays |= {name: change.numpy() for name, change in inversion_end.tuning.weight_changes.items()}
        if inversion_end.tuning.blend is not None:
            arrays["blend.features"] = inversion_end.tuning.blend.features.numpy()
            arrays["blend.mask"] = inversion_end.tuning.blend.mask.numpy()
    return arrays


class Life:
    """A process that inverts, from its start to its death."""

    def __init__(self, request: Request) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])  # so that torch is imported once
        self._connection, child_connection = context.Pipe()
        self._process = context.Process(target=_invert, args=(child_connection, request), daemon=True)
        self._process.start()
        child_connection.close()

    def kill_after(self, step_count: int, seconds: float) -> list[int]:
        """Wait for some steps and a moment, kill the process, and return the numbers of all steps that it sent."""
        step_numbers = [self._receive() for _ in range(step_count)]
        time.sleep(seconds)
        self._process.kill()
        self._process.join()
        try:
            while True:
                step_numbers.append(self._receive())
        except (EOFError, OSError):
            return [number for number in step_numbers if isinstance(number, int)]

    def result(self) -> tuple[int, Arrays]:
        """Wait for the end, and return the number of the first step and the arrays of the result."""
        first_step = self._receive()
        assert isinstance(first_step, int)
        while True:
            message = self._receive()
            if not isinstance(message, int):
                self._process.join()
                return first_step, message

    def _receive(self) -> int | Arrays:
        assert self._connection.poll(PATIENCE), "the inversion makes no steps"
        message: int | Arrays = self._connection.recv()
        return message


@pytest.mark.parametrize("method", ["w+", "pti", "hybrid"])
def test_ten_kills_do_not_change_the_result(tmp_path: Path, method: InversionMethod) -> None:
    model_path = save_generator(tmp_path / "model.safetensors", random_generator())
    photograph_path = tmp_path / "photograph.png"
    chance = random.Random(method)
    pixels = np.random.default_rng(5).integers(60, 200, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC).save(photograph_path)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    _, expected = Life(Request(model_path, photograph_path, method, tmp_path / "whole")).result()
    last_step = 0
    for _ in range(KILLS):
        life = Life(Request(model_path, photograph_path, method, tmp_path / "killed", MAX_STEPS_PER_LIFE))
        step_numbers = life.kill_after(chance.randint(0, MAX_STEPS_PER_LIFE), chance.uniform(0, 0.02))
        if step_numbers:
            assert step_numbers[0] <= last_step + 1, "no step that was made is skipped"
            last_step = step_numbers[-1]
    first_step, arrays = Life(Request(model_path, photograph_path, method, tmp_path / "killed")).result()
    assert 1 < first_step <= last_step + 1
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert array.dtype == arrays[name].dtype and np.array_equal(array, arrays[name]), name
