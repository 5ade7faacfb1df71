"""The history as one line: `╺·┝1━━━━━◆────┥··` with what is behind one bold and what is ahead dim.

A drag is as long as its steps; edits between drags are dots, a long row of them three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from draggan_tui.editor.history_cursor import HistoryCursor, Trajectories, drag_leading_to

from .inspector_text import ACCENT, MUTED

HERE_GLYPH, BEGIN_GLYPH = "◆", "╺"
_SHORTEST, _DOTS = 4, 3
_LINE = 12  # cells that the line needs beside a label


@dataclass(frozen=True)
class TimelineSection:
    """A drag, or edits one after the other.

    Attributes:
        length: steps of the drag, or how many edits.
        done: how many of these lie behind one.
        drag: its number; none: edits.
    """

    length: int
    done: int
    drag: int | None = None


def timeline_sections(cursor: HistoryCursor, trajectories: Trajectories) -> tuple[TimelineSection, ...]:
    """Return the sections of the present line of the history, from behind its first entry to where redo ends."""
    line = cursor.history.timeline
    here = len(cursor.history.lineage) - 1
    sections: list[TimelineSection] = []
    for i, entry in enumerate(line[1:], start=1):
        done = i <= here
        if (record := drag_leading_to(cursor.history, entry)) is not None:
            steps, number = record.steps if entry.record else entry.edit.source.step or 1, record.number
            step_index = cursor.step_index if i == here else None
            steps_done = steps * done if step_index is None else trajectories[number].steps[step_index]
            sections.append(TimelineSection(steps, steps_done, number))
        elif sections and sections[-1].drag is None:
            sections[-1] = TimelineSection(sections[-1].length + 1, sections[-1].done + done)
        else:
            sections.append(TimelineSection(1, int(done)))
    return tuple(sections)


def timeline_row(sections: Sequence[TimelineSection], width: int, label: str = "") -> Content:
    """One row of `width` cells: the line on the left, the label on the right, where it fits."""
    if width < len(label) + _LINE:
        label = ""
    room = max(width - len(label) - 1 if label else width, 1)
    lengths = _lengths(sections, room - 1)
    signs, here = [BEGIN_GLYPH], 0
    for section, length in zip(sections, lengths, strict=True):
        if section.done:
            here = len(signs) - 1 + max(length * section.done // section.length, 1)
        signs.extend(_signs(section, length))
    signs[here] = HERE_GLYPH
    if len(signs) > room:
        signs, here = _window(signs, here, room)
    ahead = "".join(signs[here + 1 :]).ljust(room - here - 1)
    return Content.assemble(
        ("".join(signs[:here]), "bold"),
        (HERE_GLYPH, f"bold {ACCENT}"),
        (ahead, MUTED),
        (f" {label}" if label else "", MUTED),
    )


def _lengths(sections: Sequence[TimelineSection], room: int) -> list[int]:
    """Cells for each section: all drags on one scale, as large as fits, none shorter than it can be drawn."""
    room -= sum(min(section.length, _DOTS) for section in sections if section.drag is None)
    drags = [section.length for section in sections if section.drag is not None]
    scale = 1.0
    while drags:
        scale = min(room / sum(drags), 1.0)
        long = [steps for steps in drags if steps * scale >= _SHORTEST]
        if len(long) == len(drags):
            break
        room -= _SHORTEST * (len(drags) - len(long))
        drags = long
    return [
        min(section.length, _DOTS) if section.drag is None else max(int(section.length * scale), _SHORTEST)
        for section in sections
    ]


def _signs(section: TimelineSection, length: int) -> str:
    if section.drag is None:
        return "·" * length
    number = str(section.drag)
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
