"""The history as one line, `╺·┝1━━━━━◆────┥··`: what redo would bring back is dim.

The length of a drag shows its number of steps. Edits between drags are dots, at most three in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from draggan_tui.editor.history_cursor import HistoryCursor, Trajectories, drag_leading_to

from .inspector_text import ACCENT, MUTED

HERE_GLYPH, BEGIN_GLYPH = "◆", "╺"
_SHORTEST_DRAG, _MOST_DOTS = 4, 3
_LEAST_LINE = 12  # cells that the line needs beside a label


@dataclass(frozen=True)
class TimelineSection:
    """A drag, or several edits one after the other.

    Attributes:
        length: number of steps of the drag, or of edits.
        done: how many of them undo would take back.
        drag: number of the drag. None: edits.
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
    """Return one row of `width` cells: the line on the left, and the label on the right if there is room for it."""
    if width < len(label) + _LEAST_LINE:
        label = ""
    room = max(width - len(label) - 1 if label else width, 1)
    lengths = _section_widths(sections, room - 1)
    glyphs, here = [BEGIN_GLYPH], 0
    for section, length in zip(sections, lengths, strict=True):
        if section.done:
            here = len(glyphs) - 1 + max(length * section.done // section.length, 1)
        glyphs.extend(_section_glyphs(section, length))
    glyphs[here] = HERE_GLYPH
    if len(glyphs) > room:
        glyphs, here = _visible_part(glyphs, here, room)
    ahead = "".join(glyphs[here + 1 :]).ljust(room - here - 1)
    return Content.assemble(
        ("".join(glyphs[:here]), "bold"),
        (HERE_GLYPH, f"bold {ACCENT}"),
        (ahead, MUTED),
        (f" {label}" if label else "", MUTED),
    )


def _section_widths(sections: Sequence[TimelineSection], room: int) -> list[int]:
    """Return the number of cells of each section: all drags on one scale, as large as fits, none too short to be drawn."""
    room -= sum(min(section.length, _MOST_DOTS) for section in sections if section.drag is None)
    drags = [section.length for section in sections if section.drag is not None]
    scale = 1.0
    while drags:
        scale = min(room / sum(drags), 1.0)
        long = [steps for steps in drags if steps * scale >= _SHORTEST_DRAG]
        if len(long) == len(drags):
            break
        room -= _SHORTEST_DRAG * (len(drags) - len(long))
        drags = long
    return [
        min(section.length, _MOST_DOTS) if section.drag is None else max(int(section.length * scale), _SHORTEST_DRAG)
        for section in sections
    ]


def _section_glyphs(section: TimelineSection, length: int) -> str:
    if section.drag is None:
        return "·" * length
    number = str(section.drag)
    return f"┝{(number if len(number) <= length - 2 else '').ljust(length - 2, '━')}┥"


def _visible_part(glyphs: list[str], here: int, room: int) -> tuple[list[str], int]:
    """Return the part around the present position, with `…` where something is left out, and the position in it."""
    first = min(max(here - room // 2, 0), len(glyphs) - room)
    part = glyphs[first : first + room]
    if first > 0 and here != first:
        part[0] = "…"
    if first + room < len(glyphs) and here != first + room - 1:
        part[-1] = "…"
    return part, here - first
