"""Record the editor for the README: type a script into a pseudo-terminal and draw the screen.

    python scripts/record_editor.py                          # write docs/editor.gif
    python scripts/record_editor.py --png docs/editor.png    # write only the screen after the step marked `still`

Needs the extra `test`, for pyte.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyte
from PIL import Image

from draggan_tui.benchmarks.processes import isolated_environment
from draggan_tui.benchmarks.pseudo_terminal import FRAME_END, PseudoTerminal
from draggan_tui.config.themes import load_theme
from scripts.screen_reader import ScreenReader, shows_image, shows_text
from scripts.terminal_image import draw_screen

PROGRAM = Path(sys.executable).with_name("draggan-tui")
SCREEN_SIZE = (100, 32)  # columns and rows
SAMPLES_PER_SECOND = 10
SECONDS_BETWEEN_KEYS = 0.09  # as fast as a person types
KEY = re.compile(r"\x1b\[[\d;]*[A-Za-z~]|.", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """Keys to type, the text to wait for after them, and the pause that follows.

    `still` marks the step whose screen `--png` writes.
    """

    keys: str = ""
    pause: float = 0.3
    wait_for: str | None = None
    still: bool = False


HOME, PAGE_UP = "\x1b[H", "\x1b[5~"
# The image is 58×58 half-cells here. In it the nose of seed 42 is at (31, 36), and the head with its ears lies inside the
# ellipse from (5, 0) to (51, 46).
SCRIPT = (
    Step(pause=0.8),
    Step("3l7j", 0.3),
    Step("\r", 0.6),
    Step(f"{HOME}{PAGE_UP}5l", 0.2),
    Step("vv", 0.4),
    Step("LLLLL6l", 0.1),
    Step("JJJJJ6j", 0.4),
    Step("\r", 0.8),
    Step("\t", 0.5),
    Step("D", 0.6),
    Step("llllllll", 1.2),
    Step("jjj", 0.8, still=True),
    Step("hhhhhhhhhhhhhhh", 1.2),
    Step("D", 0.4, wait_for=" px left"),
    Step("|", 0.4),
    Step("HHLL", 0.4),
    Step("|", 0.6),
    Step("u", 1.8),
)


@dataclass(frozen=True)
class Sample:
    """A moment of the recording: the time in seconds, and how many bytes the editor had written by then."""

    time: float
    byte_count: int


@dataclass(frozen=True)
class Recording:
    """All bytes that the editor wrote, the samples in order of time, and the sample to use as a still image."""

    output: bytes
    samples: Sequence[Sample]
    still: Sample


class TerminalSampler:
    """Read from a terminal for a while, and note at regular intervals how much has been written."""

    def __init__(self, terminal: PseudoTerminal) -> None:
        self.samples: list[Sample] = []
        self._terminal = terminal

    def sample(self, byte_count: int) -> None:
        self.samples.append(Sample(time.monotonic(), byte_count))

    def watch(self, seconds: float) -> None:
        """Read for this long, and take a sample at the end of each interval."""
        end = time.monotonic() + seconds
        while (seconds_left := end - time.monotonic()) > 0:
            self._terminal.read_for(min(seconds_left, 1 / SAMPLES_PER_SECOND))
            if not self.samples or time.monotonic() - self.samples[-1].time >= 1 / SAMPLES_PER_SECOND:
                self.sample(self._terminal.raw.rfind(FRAME_END) + len(FRAME_END))


def record(script: Sequence[Step], directory: Path) -> Recording:
    """Start the editor in a directory, type the script, and return what the editor wrote."""
    mark_hints_as_read(directory)
    still: Sample | None = None
    command = [str(PROGRAM), "--seed", "42", "--model", "critters-256"]
    variables = isolated_environment(directory / "home")
    with PseudoTerminal(command, directory=directory, variables=variables, size=SCREEN_SIZE) as terminal:
        sampler = TerminalSampler(terminal)
        reader = ScreenReader(terminal, SCREEN_SIZE)
        terminal.synchronize()
        reader.wait_for(shows_image, "The image")
        for step in script:
            for key in KEY.findall(step.keys):
                terminal.send(key)
                sampler.watch(SECONDS_BETWEEN_KEYS)
            if step.wait_for is not None:
                reader.wait_for(shows_text(step.wait_for), repr(step.wait_for), sampler.watch)
            sampler.watch(step.pause)
            still = sampler.samples[-1] if step.still else still
        sampler.sample(len(terminal.raw))
        return Recording(bytes(terminal.raw), sampler.samples, still or sampler.samples[-1])


def mark_hints_as_read(directory: Path) -> None:
    """Make the editor leave out the hints that it shows on first use."""
    state_directory = directory / "home" / "state" / "draggan-tui"
    state_directory.mkdir(parents=True)
    (state_directory / "hints-read").touch()


def frames(output: bytes, samples: Sequence[Sample]) -> Iterator[tuple[Image.Image, float]]:
    """Yield each different image of the screen, and for how many seconds it was shown."""
    screen = pyte.Screen(*SCREEN_SIZE)
    stream = pyte.ByteStream(screen)
    parsed_bytes = 0
    current: tuple[Image.Image, float] | None = None  # the image, and since when it is shown
    for sample in samples[:-1]:
        if current is not None and sample.byte_count <= parsed_bytes:
            continue
        stream.feed(output[parsed_bytes : sample.byte_count])
        parsed_bytes = sample.byte_count
        image = draw_screen(screen)
        if current is None:
            current = image, sample.time
        elif image != current[0]:
            yield current[0], sample.time - current[1]
            current = image, sample.time
    assert current is not None
    yield current[0], samples[-1].time - current[1]


def still_image(recording: Recording) -> Image.Image:
    """Return the screen at the recording's still."""
    samples = [sample for sample in recording.samples if sample.time <= recording.still.time]
    *_, (image, _) = frames(recording.output, [*samples, recording.still])
    return image


def write_gif(path: Path, timed_images: Sequence[tuple[Image.Image, float]]) -> None:
    """Write images with their durations in seconds.

    All share one palette and none is dithered, so that parts of the screen that do not change cost no bytes.
    """
    images = [image for image, _ in timed_images]
    palette = common_palette(images[:: max(len(images) // 8, 1)])
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    durations = [max(round(seconds * 100), 2) * 10 for _, seconds in timed_images]  # GIF counts in hundredths
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=False, disposal=1)


def common_palette(sample_images: Sequence[Image.Image]) -> Image.Image:
    """Return a palette image for these images. It keeps the exact colours of the marks, however small they are."""
    mark_colors = [value for color in load_theme("dark").canvas.model_dump().values() for value in color]
    width, height = sample_images[0].size
    sheet = Image.new("RGB", (width, height * len(sample_images)))
    for index, image in enumerate(sample_images):
        sheet.paste(image, (0, index * height))
    other_colors = sheet.quantize(256 - len(mark_colors) // 3, Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*mark_colors, *other_colors])
    return palette


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gif", type=Path, default=Path("docs/editor.gif"), help="where to write the animation")
    parser.add_argument("--png", type=Path, help="write only the still image, to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        recording = record(SCRIPT, Path(directory))
    if options.png is not None:
        still_image(recording).save(options.png, optimize=True)
        print(f"{options.png}: {options.png.stat().st_size / 1e3:.0f} kB")
        return
    timed_images = list(frames(recording.output, recording.samples))
    write_gif(options.gif, timed_images)
    duration = recording.samples[-1].time - recording.samples[0].time
    megabytes = options.gif.stat().st_size / 1e6
    print(f"{options.gif}: {len(timed_images)} frames, {duration:.1f} s, {megabytes:.2f} MB")


if __name__ == "__main__":
    main()
