"""Records the editor for the README: drives the program through a pseudo-terminal, as a person would, and draws its screen.

python -m docs.record                          # docs/editor.gif
python -m docs.record --png docs/editor.png    # only the screen after the step that is marked `still`
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyte
from PIL import Image

from docs.terminal_picture import draw
from draggan_tui.benchmarks.pseudo_terminal import FRAME_ENDS, SYNCHRONIZED
from draggan_tui.config.themes import load
from tests.support.keys import open_picture
from tests.support.terminal import Terminal

SIZE = (100, 32)  # columns and rows
RATE = 10  # looks a second
BETWEEN_KEYS = 0.09  # seconds, at the speed of a hand
KEY = re.compile(r"\x1b\[[\d;]*[A-Za-z~]|.", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """Keys, typed one after the other; then a pause, and before it, if need be, a wait for a text on the screen."""

    keys: str = ""
    pause: float = 0.3
    until: str | None = None
    still: bool = False


HOME, PAGE_UP = "\x1b[H", "\x1b[5~"
# The picture is 58×58 half-cells here; the nose of seed 42 is at (31, 36) of them, the head with its ears in the ellipse from (5, 0) to (51, 46).
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
    Step("D", 0.4, until=" px left"),
    Step("|", 0.4),
    Step("HHLL", 0.4),
    Step("|", 0.6),
    Step("u", 1.8),
)


@dataclass(frozen=True)
class Look:
    """When the recorder looked, in seconds, and how many bytes had come by then."""

    time: float
    bytes: int


def record(script: Sequence[Step], folder: Path) -> tuple[bytes, list[Look], Look]:
    """Plays the script to the editor; returns all that it wrote, the looks at it, and the look of the still."""
    read_hints(folder)
    looks: list[Look] = []
    still: Look | None = None

    def watch(terminal: Terminal, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            terminal.read(min(left, 1 / RATE))
            if not looks or time.monotonic() - looks[-1].time >= 1 / RATE:
                looks.append(Look(time.monotonic(), terminal.raw.rfind(FRAME_ENDS) + len(FRAME_ENDS)))

    def appears(terminal: Terminal, text: str) -> bool:
        watch(terminal, 1 / RATE)
        return text in terminal.text()

    with Terminal("--seed", "42", folder=folder, size=SIZE) as terminal:
        terminal.send(SYNCHRONIZED)
        open_picture(terminal)
        for step in script:
            for key in KEY.findall(step.keys):
                terminal.send(key)
                watch(terminal, BETWEEN_KEYS)
            if step.until is not None:
                terminal.wait_for(partial(appears, terminal, step.until))
            watch(terminal, step.pause)
            still = looks[-1] if step.still else still
        looks.append(Look(time.monotonic(), len(terminal.raw)))
        return bytes(terminal.raw), looks, still or looks[-1]


def read_hints(folder: Path) -> None:
    """The recording is not of a first use."""
    state = folder / "home" / "state" / "draggan-tui"
    state.mkdir(parents=True)
    (state / "hints-read").touch()


def frames(raw: bytes, looks: Sequence[Look]) -> Iterator[tuple[Image.Image, float]]:
    """The screen at each look at which it was another one, and for how many seconds it was so."""
    screen = pyte.Screen(*SIZE)
    stream = pyte.ByteStream(screen)
    seen = 0
    shown: tuple[Image.Image, float] | None = None
    for look in looks[:-1]:
        if shown is None or look.bytes > seen:
            stream.feed(raw[seen : look.bytes])
            seen = look.bytes
            picture = draw(screen)
            if shown is not None and picture != shown[0]:
                yield shown[0], look.time - shown[1]
            if shown is None or picture != shown[0]:
                shown = picture, look.time
    assert shown is not None
    yield shown[0], looks[-1].time - shown[1]


def write_gif(path: Path, shown: Sequence[tuple[Image.Image, float]]) -> None:
    """One palette for all, and no dithering, so that what does not change costs nothing."""
    pictures = [picture for picture, _ in shown]
    palette = common_palette(pictures[:: max(len(pictures) // 8, 1)])
    first, *others = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    durations = [max(round(seconds * 100), 2) * 10 for _, seconds in shown]  # a GIF counts in hundredths
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=False, disposal=1)


def common_palette(sample: Sequence[Image.Image]) -> Image.Image:
    """The colours of these pictures; those of the marks among them, however small they are."""
    marks = [value for color in load("dark").canvas.model_dump().values() for value in color]
    sheet = Image.new("RGB", (sample[0].width, sample[0].height * len(sample)))
    for index, picture in enumerate(sample):
        sheet.paste(picture, (0, index * picture.height))
    others = sheet.quantize(256 - len(marks) // 3, Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*marks, *others])
    return palette


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gif", type=Path, default=Path("docs/editor.gif"), help="where to write it")
    parser.add_argument("--png", type=Path, help="write only the still, there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw, looks, still = record(SCRIPT, Path(folder))
    if options.png is not None:
        *_, (picture, _) = frames(raw, [look for look in looks if look.time <= still.time] + [still])
        picture.save(options.png, optimize=True)
        print(f"{options.png}: {options.png.stat().st_size / 1e3:.0f} kB")
        return
    shown = list(frames(raw, looks))
    write_gif(options.gif, shown)
    length = looks[-1].time - looks[0].time
    print(f"{options.gif}: {len(shown)} frames, {length:.1f} s, {options.gif.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
