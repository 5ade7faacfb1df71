"""Measure inversions of drawings that the bundled models have not learned from, and drags of them.

    python scripts/benchmark_inversions.py --rows rows.jsonl                         # 24 drawings, w+, pti and hybrid
    python scripts/benchmark_inversions.py --rows rows.jsonl --drags 12              # also drag the first 12
    python scripts/benchmark_inversions.py --rows rows.jsonl --numbers 3-5 --methods w+ --model critters-256
    python scripts/benchmark_inversions.py --rows rows.jsonl --starts near random    # also without the encoder
    python scripts/benchmark_inversions.py --rows rows.jsonl --together 8            # invert eight side by side
    python scripts/benchmark_inversions.py --rows rows.jsonl --report                # only print the tables

The drawings have numbers from 0: eight are plain, eight have noise and are compressed as JPEG, and eight have a photograph
behind the animal. Each inversion is a row of the file. What is in the file is not measured again, so an interrupted
measurement is continued by the same command. The seconds are those of the processor, on one thread; those of drawings that
are inverted side by side are shared equally. A search starts as the program lets it start, near the guesses of the encoder,
or among random images.

With `--drags N`, five landmarks of the first N drawings are dragged to where another animal has them. The same is done with
their generated twins: the images that the model makes of the same animals. The distance is that of the landmarks, which a
detector finds in the final image, to their targets, in pixels of an image with 128 rows.
Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.geometry import Point
from draggan_engine.core.inversion_choices import InversionMethod
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.critters.scene.scene import to_pixels
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop
from draggan_engine.evaluation.cases import FIVE_LANDMARKS
from draggan_engine.evaluation.landmark_detector import detect_landmarks
from draggan_engine.inversion.inversion import InversionEnd, InversionSettings, InversionStep
from draggan_engine.inversion.inversion_batch import invert_together
from draggan_engine.inversion.near_images import find_near_z
from draggan_engine.inversion.staged_inversion import StagedInversion
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.generator_tuning import tuned_generator
from draggan_tui import DEFAULT_INVERSION_STEPS
from scripts.held_out_renders import (
    KINDS,
    RENDER_COUNT,
    HeldOutRender,
    draw_render,
    held_out_scene,
    held_out_z,
    kind_of,
)

TWIN = "twin"
NEAR, RANDOM = STARTS = ("near", "random")
"""Where searches start: at guesses of the encoder and near seeds of the index, as far as the model has them, or at random."""
GOAL_OFFSET = 1000  # from a drawing's number to that of the scene where its landmarks are dragged to


@dataclass(frozen=True)
class Row:
    """One inversion, and the drag of its result.

    Attributes:
        method: of the inversion; "twin" for the generated twin, which needs none.
        steps: that were asked for.
        psnr: in dB; None for a twin.
        seconds: of the processor; an equal share of those of all drawings that were inverted side by side.
        drag_error: mean distance of the landmarks from their targets, px at 128; None: it was not dragged.
        starts: see `STARTS`.
        start_loss, start_psnr: of the best start's small image; None for a twin.
    """

    model: str
    method: str
    steps: int
    number: int
    psnr: float | None
    seconds: float
    drag_error: float | None = None
    starts: str = RANDOM
    start_loss: float | None = None
    start_psnr: float | None = None


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file; none if there is no file."""
    return [Row(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def measure(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measure what the file of rows does not have yet."""
    model = load_model(arguments.model, "cpu")
    done = {(row.model, row.method, row.starts, row.steps, row.number) for row in read_rows(arguments.rows)}
    for first in range(0, len(arguments.numbers), arguments.together):
        numbers = arguments.numbers[first : first + arguments.together]
        for number in numbers:
            if number < arguments.drags and (model.name, TWIN, RANDOM, arguments.steps, number) not in done:
                error = drag_error(model, model.generator, twin(model, number), number)
                yield Row(model.name, TWIN, arguments.steps, number, None, 0.0, error)
        for method, starts in itertools.product(arguments.methods, arguments.starts):
            renders = [
                draw_render(number, model.info.size.height)
                for number in numbers
                if (model.name, method, starts, arguments.steps, number) not in done
            ]
            settings = InversionSettings(method, arguments.steps, model.info.settings.layers)
            yield from measure_inversions(model, settings, starts, renders, arguments.drags)


def measure_inversions(
    model: Model, settings: InversionSettings, starts: str, renders: Sequence[HeldOutRender], dragged_count: int
) -> Iterator[Row]:
    """Invert drawings side by side and drag those whose numbers are below `dragged_count`."""
    start_time = time.process_time()
    inversions = [
        StagedInversion(
            model.generator, render.image, settings,
            near_z=find_near_z(model, 0, render.image, print) if starts == NEAR else None,
        )
        for render in renders
    ]  # fmt: skip
    first_steps: dict[int, InversionStep] = {}
    ends: dict[int, InversionEnd] = {}
    for index, event in invert_together(inversions):
        if isinstance(event, InversionEnd):
            ends[index] = event
        else:
            first_steps.setdefault(index, event)
    seconds = time.process_time() - start_time
    for index, render in enumerate(renders):
        first_step, inversion_end = first_steps[index], ends[index]
        error = None
        if render.number < dragged_count:
            tuning = inversion_end.tuning
            generator = model.generator if tuning is None else tuned_generator(model.generator, tuning)
            error = drag_error(model, generator, inversion_end.ws, render.number)
        yield Row(
            model.name, settings.method, settings.steps, render.number, inversion_end.psnr, seconds / len(renders), error,
            starts, first_step.loss, first_step.psnr,
        )  # fmt: skip


def twin(model: Model, number: int) -> Tensor:
    """Return the latent of the animal with a number, `[1, num_ws, w_dim]`."""
    with torch.no_grad():
        ws: Tensor = model.generator.mapping(torch.from_numpy(held_out_z(number).astype(np.float32)))
    return ws


def drag_error(model: Model, generator: Generator, ws: Tensor, number: int) -> float:
    """Drag the landmarks of an animal to where another one has them, and return their mean distance from there afterwards."""
    size = model.info.size.height
    landmarks = [held_out_scene(n).landmarks for n in (number, number + GOAL_OFFSET)]
    names = [i for i in map(LANDMARKS.index, FIVE_LANDMARKS) if all(bool(x.visible[0, i]) for x in landmarks)]
    handles, targets = (to_pixels(x.points[0], size)[names] for x in landmarks)
    pairs = [(_point(handle), _point(target)) for handle, target in zip(handles, targets, strict=True)]
    drag = DragLoop(generator, ws, pairs, None, model.info.settings)
    *_, drag_end = drag.steps()
    assert isinstance(drag_end, DragEnd)
    with torch.no_grad():
        image = generator.synthesis(drag_end.ws).image
    detected_points = detect_landmarks(image.clamp(-1, 1)).points[0, names]
    return float(np.linalg.norm(detected_points - targets, axis=1).mean()) * 128 / size


def _point(xy: Sequence[float]) -> Point:
    return float(xy[0]), float(xy[1])


def print_tables(rows: Sequence[Row]) -> None:
    """Print the PSNR and the seconds of each model, method, kind of starts and number of steps, then the drags."""
    print(f"| model | method | starts | steps | drawings | start | {' | '.join(KINDS)} | all | seconds |")
    print("|---" * (len(KINDS) + 8) + "|")
    for (model, method, starts, steps), group in _grouped(rows):
        if method != TWIN:
            start_psnr = _mean([row.start_psnr for row in group])
            psnr_cells = [_mean([row.psnr for row in group if kind_of(row.number) == kind]) for kind in KINDS]
            all_psnr, seconds = _mean([row.psnr for row in group]), _mean([row.seconds for row in group])
            cells = (model, method, starts, steps, len(group), start_psnr, *psnr_cells, all_psnr, seconds)
            print("| " + " | ".join(map(str, cells)) + " |")
    print("\n| model | method | starts | steps | drags | distance | of the twins | ratio |\n" + "|---" * 8 + "|")
    twins = {(row.model, row.number): row.drag_error for row in rows if row.method == TWIN}
    for (model, method, starts, steps), group in _grouped(rows):
        errors = [(row.drag_error, twins.get((model, row.number))) for row in group if method != TWIN]
        pairs = [(error, twin_error) for error, twin_error in errors if error is not None and twin_error is not None]
        if pairs:
            error, twin_error = (statistics.mean(column) for column in zip(*pairs, strict=True))
            figures = (f"{error:.2f}", f"{twin_error:.2f}", f"{error / twin_error:.2f}")
            print("| " + " | ".join(map(str, (model, method, starts, steps, len(pairs), *figures))) + " |")


def _grouped(rows: Sequence[Row]) -> Iterator[tuple[tuple[str, str, str, int], list[Row]]]:
    groups: dict[tuple[str, str, str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.model, row.method, row.starts, row.steps), []).append(row)
    yield from groups.items()


def _mean(values: Sequence[float | None]) -> str:
    """Return the mean of the values that are known, for a table."""
    known_values = [value for value in values if value is not None]
    return f"{statistics.mean(known_values):.1f}" if known_values else "–"


def number_range(text: str) -> range:
    """Read `3` or `3-5`."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="the file of the rows, JSON lines")
    parser.add_argument("--report", action="store_true", help="only print the tables")
    parser.add_argument("--model", default="critters-128")
    parser.add_argument("--methods", nargs="+", choices=get_args(InversionMethod), default=["w+", "pti", "hybrid"])
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=[NEAR])
    parser.add_argument("--steps", type=int, default=DEFAULT_INVERSION_STEPS)
    parser.add_argument("--numbers", type=number_range, default=range(RENDER_COUNT), help="of the drawings: 3 or 3-5")
    parser.add_argument("--together", type=int, default=1, help="how many drawings are inverted side by side")
    parser.add_argument("--drags", type=int, default=0, help="how many of the first drawings are dragged as well")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not arguments.report:
        for row in measure(arguments):
            print(row, flush=True)
            with arguments.rows.open("a") as rows_file:
                rows_file.write(json.dumps(asdict(row)) + "\n")
    print_tables(read_rows(arguments.rows))


if __name__ == "__main__":
    main()
