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


def timeline_sections(history_cursor: HistoryCursor, trajectories: Trajectories) -> tuple[TimelineSection, ...]:
    """Return the sections of the present line of the history, from behind its first entry to where redo ends."""
    line_revisions = history_cursor.history.timeline
    present_index = len(history_cursor.history.lineage) - 1
    sections: list[TimelineSection] = []
    for i, revision in enumerate(line_revisions[1:], start=1):
        is_done = i <= present_index
        if (drag_record := drag_leading_to(history_cursor.history, revision)) is not None:
            drag_number = drag_record.number
            step_count = drag_record.steps if revision.record else revision.edit.source.step or 1
            step_index = history_cursor.step_index if i == present_index else None
            steps_done = step_count * is_done if step_index is None else trajectories[drag_number].steps[step_index]
            sections.append(TimelineSection(step_count, steps_done, drag_number))
        elif sections and sections[-1].drag is None:
            sections[-1] = TimelineSection(sections[-1].length + 1, sections[-1].done + is_done)
        else:
            sections.append(TimelineSection(1, int(is_done)))
    return tuple(sections)


def timeline_row(sections: Sequence[TimelineSection], width: int, label: str = "") -> Content:
    """Return one row of `width` cells: the line on the left, and the label on the right if there is room for it."""
    if width < len(label) + _LEAST_LINE:
        label = ""
    line_width = max(width - len(label) - 1 if label else width, 1)
    section_widths = _section_widths(sections, line_width - 1)
    glyphs, here_index = [BEGIN_GLYPH], 0
    for section, section_width in zip(sections, section_widths, strict=True):
        if section.done:
            here_index = len(glyphs) - 1 + max(section_width * section.done // section.length, 1)
        glyphs.extend(_section_glyphs(section, section_width))
    glyphs[here_index] = HERE_GLYPH
    if len(glyphs) > line_width:
        glyphs, here_index = _visible_part(glyphs, here_index, line_width)
    ahead_text = "".join(glyphs[here_index + 1 :]).ljust(line_width - here_index - 1)
    return Content.assemble(
        ("".join(glyphs[:here_index]), "bold"),
        (HERE_GLYPH, f"bold {ACCENT}"),
        (ahead_text, MUTED),
        (f" {label}" if label else "", MUTED),
    )


def _section_widths(sections: Sequence[TimelineSection], line_width: int) -> list[int]:
    """Return the number of cells of each section: all drags on one scale, as large as fits, none too short to be drawn."""
    line_width -= sum(min(section.length, _MOST_DOTS) for section in sections if section.drag is None)
    drag_lengths = [section.length for section in sections if section.drag is not None]
    cells_per_step = 1.0
    while drag_lengths:
        cells_per_step = min(line_width / sum(drag_lengths), 1.0)
        long_drags = [drag_length for drag_length in drag_lengths if drag_length * cells_per_step >= _SHORTEST_DRAG]
        if len(long_drags) == len(drag_lengths):
            break
        line_width -= _SHORTEST_DRAG * (len(drag_lengths) - len(long_drags))
        drag_lengths = long_drags
    return [
        min(section.length, _MOST_DOTS)
        if section.drag is None
        else max(int(section.length * cells_per_step), _SHORTEST_DRAG)
        for section in sections
    ]


def _section_glyphs(section: TimelineSection, section_width: int) -> str:
    if section.drag is None:
        return "·" * section_width
    number_text = str(section.drag)
    return f"┝{(number_text if len(number_text) <= section_width - 2 else '').ljust(section_width - 2, '━')}┥"


def _visible_part(glyphs: list[str], here_index: int, line_width: int) -> tuple[list[str], int]:
    """Return the part around the present position, with `…` where something is left out, and the position in it."""
    first_index = min(max(here_index - line_width // 2, 0), len(glyphs) - line_width)
    visible_glyphs = glyphs[first_index : first_index + line_width]
    if first_index > 0 and here_index != first_index:
        visible_glyphs[0] = "…"
    if first_index + line_width < len(glyphs) and here_index != first_index + line_width - 1:
        visible_glyphs[-1] = "…"
    return visible_glyphs, here_index - first_index
