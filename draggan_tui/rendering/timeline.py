"""The history as one line: `╺·┝1━━━━━◆────┥··` with what is behind one bold and what is ahead dim.

A drag is as long as its steps; edits between drags are dots, a long row of them three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from draggan_tui.editor.history_cursor import HistoryCursor, Trajectories, drag_leading_to

from .inspector_text import ACCENT, MUTED

HERE, BEGIN = "◆", "╺"
_SHORTEST, _DOTS = 4, 3
_LINE = 12  # cells that the line needs beside a label


@dataclass(frozen=True)
class Stretch:
    """A drag, or edits one after the other.

    Attributes:
        length: steps of the drag, or how many edits.
        done: how many of these lie behind one.
        drag: its number; none: edits.
    """

    length: int
    done: int
    drag: int | None = None


def stretches(place: HistoryCursor, paths: Trajectories) -> tuple[Stretch, ...]:
    """The present line of the history, from behind its first entry to where redo ends."""
    line = place.history.line
    here = len(place.history.behind) - 1
    found: list[Stretch] = []
    for i, entry in enumerate(line[1:], start=1):
        done = i <= here
        if (record := drag_leading_to(place.history, entry)) is not None:
            steps, number = record.steps if entry.record else entry.edit.step or 1, record.number
            step_index = place.step_index if i == here else None
            found.append(
                Stretch(steps, steps * done if step_index is None else paths[number].steps[step_index], number)
            )
        elif found and found[-1].drag is None:
            found[-1] = Stretch(found[-1].length + 1, found[-1].done + done)
        else:
            found.append(Stretch(1, int(done)))
    return tuple(found)


def timeline(stretches: Sequence[Stretch], width: int, label: str = "") -> Content:
    """One row of `width` cells: the line on the left, the label on the right, where it fits."""
    if width < len(label) + _LINE:
        label = ""
    room = max(width - len(label) - 1 if label else width, 1)
    lengths = _lengths(stretches, room - 1)
    signs, here = [BEGIN], 0
    for stretch, length in zip(stretches, lengths, strict=True):
        if stretch.done:
            here = len(signs) - 1 + max(length * stretch.done // stretch.length, 1)
        signs.extend(_signs(stretch, length))
    signs[here] = HERE
    if len(signs) > room:
        signs, here = _window(signs, here, room)
    ahead = "".join(signs[here + 1 :]).ljust(room - here - 1)
    return Content.assemble(
        ("".join(signs[:here]), "bold"),
        (HERE, f"bold {ACCENT}"),
        (ahead, MUTED),
        (f" {label}" if label else "", MUTED),
    )


def _lengths(stretches: Sequence[Stretch], room: int) -> list[int]:
    """Cells for each stretch: all drags on one scale, as large as fits, none shorter than it can be drawn."""
    room -= sum(min(stretch.length, _DOTS) for stretch in stretches if stretch.drag is None)
    drags = [stretch.length for stretch in stretches if stretch.drag is not None]
    scale = 1.0
    while drags:
        scale = min(room / sum(drags), 1.0)
        long = [steps for steps in drags if steps * scale >= _SHORTEST]
        if len(long) == len(drags):
            break
        room -= _SHORTEST * (len(drags) - len(long))
        drags = long
    return [
        min(stretch.length, _DOTS) if stretch.drag is None else max(int(stretch.length * scale), _SHORTEST)
        for stretch in stretches
    ]


def _signs(stretch: Stretch, length: int) -> str:
    if stretch.drag is None:
        return "·" * length
    number = str(stretch.drag)
    return f"┝{(number if len(number) <= length - 2 else '').ljust(length - 2, '━')}┥"


def _window(signs: list[str], here: int, room: int) -> tuple[list[str], int]:
    """The part round the present place, with `…` where something is left out, and the present place in it."""
    first = min(max(here - room // 2, 0), len(signs) - room)
    part = signs[first : first + room]
    if first > 0 and here != first:
        part[0] = "…"
    if first + room < len(signs) and here != first + room - 1:
        part[-1] = "…"
    return part, here - first
