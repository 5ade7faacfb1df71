"""The history as one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from draggan_engine.core.history import History, Trajectory
from draggan_engine.core.revision_id import DragRevisionId, RevisionId
from draggan_tui.editor.history_cursor import HistoryCursor
from draggan_tui.rendering.timeline import HERE_GLYPH, TimelineSection, timeline_row, timeline_sections
from tests.support.histories import START, trajectory, with_change, with_drag


def line(place: HistoryCursor, width: int, *paths: Trajectory, label: str = "") -> str:
    return timeline_row(timeline_sections(place, {path.number: path for path in paths}), width, label).plain


def test_a_timeline_without_history() -> None:
    assert line(HistoryCursor(History.of(START)), 6) == "◆     "


def test_the_timeline_of_drags_undone_and_redone() -> None:
    history = with_drag(with_change(History.of(START), psi=0.5), 8)
    end = with_change(with_change(history, seed=1), seed=2)
    lines = []
    for _ in range(6):
        lines.append(line(HistoryCursor(end), 16))
        end = end.undo()
    assert lines == [
        "╺·┝1━━━━━┥·◆    ",
        "╺·┝1━━━━━┥◆·    ",
        "╺·┝1━━━━━◆··    ",
        "╺◆┝1━━━━━┥··    ",
        "◆·┝1━━━━━┥··    ",
        "◆·┝1━━━━━┥··    ",
    ]


def test_undoable_sections_are_bold_and_redoable_ones_dim() -> None:
    place = HistoryCursor(with_drag(with_change(History.of(START), psi=0.5), 6).undo())
    text = timeline_row(timeline_sections(place, {}), 20)
    assert text.plain.startswith("╺◆┝1━━━┥")
    assert [(span.start, span.end, span.style) for span in text.spans][:3] == [
        (0, 1, "bold"),
        (1, 2, "bold $text-accent"),
        (2, 20, "$foreground-muted"),
    ]


def test_the_timeline_within_a_drag() -> None:
    history = with_change(with_drag(History.of(START), 8), seed=1).undo()
    way = trajectory(1, *range(9))
    assert [line(HistoryCursor(history, inner), 12, way) for inner in (1, 2, 4, 7)] == [
        "╺◆1━━━━━┥·  ",
        "╺┝◆━━━━━┥·  ",
        "╺┝1━◆━━━┥·  ",
        "╺┝1━━━━◆┥·  ",
    ]


def test_a_drag_with_few_kept_steps_keeps_its_length_from_within() -> None:
    history = with_drag(History.of(START), 8)
    assert line(HistoryCursor(history, 1), 12, trajectory(1, 0, 4, 8)) == "╺┝1━◆━━━┥   "
    assert line(HistoryCursor(history), 12, trajectory(1, 0, 4, 8)) == "╺┝1━━━━━◆   "


def test_the_marker_reaches_the_end_of_a_long_drag_only_at_its_last_step() -> None:
    history = with_drag(History.of(START), 1000)
    way = trajectory(1, *range(1001))
    assert line(HistoryCursor(history, 999), 11, way) == "╺┝1━━━━━━◆┥"
    assert line(HistoryCursor(history), 11, way) == "╺┝1━━━━━━━◆"


def test_drags_share_the_row_by_their_steps_and_short_ones_stay_visible() -> None:
    history = with_drag(with_drag(with_drag(History.of(START), 90), 30), 1)
    assert [line(HistoryCursor(history), width) for width in (40, 20, 13)] == [
        "╺┝1━━━━━━━━━━━━━━━━━━━━━━━┥┝2━━━━━┥┝3━◆ ",
        "╺┝1━━━━━━━━┥┝2━┥┝3━◆",
        "╺┝1━┥┝2━┥┝3━◆",
    ]


def test_many_edits_are_three_dots() -> None:
    history = History.of(START)
    for seed in range(9):
        history = with_change(history, seed=seed)
    assert line(HistoryCursor(history), 6) == "╺··◆  "
    assert line(HistoryCursor(history.undo()), 6) == "╺·◆·  "
    assert line(HistoryCursor(history.jump_to(1)), 6) == "╺◆··  "


@pytest.mark.parametrize(
    ("at", "width", "expected"),
    [
        (0, 13, "◆┝1━┥┝2━┥┝3━…"),
        (DragRevisionId(4), 13, "…━┥┝4━◆┝5━┥┝…"),
        (DragRevisionId(8), 13, "…┝6━┥┝7━┥┝8━◆"),
        (DragRevisionId(4), 3, "…◆…"),
        (DragRevisionId(4), 2, "…◆"),
        (0, 2, "◆…"),
        (DragRevisionId(4), 1, "◆"),
    ],
)
def test_a_long_history_is_cropped_around_the_present_position(at: RevisionId, width: int, expected: str) -> None:
    history = History.of(START)
    for _ in range(8):
        history = with_drag(history, 100)
    assert line(HistoryCursor(history.jump_to(at)), width) == expected


def test_a_number_that_does_not_fit_is_left_out() -> None:
    assert timeline_row([TimelineSection(1, 1, 12), TimelineSection(1, 0, 345)], 10).plain == "╺┝12◆┝━━┥ "
    assert timeline_row([TimelineSection(5, 0, 345)], 10).plain == "◆┝345┥    "


def test_the_label_is_on_the_right_and_is_left_out_first() -> None:
    history = with_change(History.of(START), seed=1)
    assert line(HistoryCursor(history), 22, label="3 branches") == "╺◆          3 branches"
    assert line(HistoryCursor(history), 21, label="3 branches") == "╺◆" + " " * 19


def timelines() -> st.SearchStrategy[list[TimelineSection]]:
    """Draw sections of a timeline and a position on it; what lies before the position is done."""
    lengths = st.lists(st.tuples(st.integers(1, 2000), st.booleans()), max_size=40)

    def with_position(kinds: list[tuple[int, bool]], share: float) -> list[TimelineSection]:
        here, drags, sections = share * len(kinds), 0, []
        for i, (length, drag) in enumerate(kinds):
            drags += drag
            done = min(max(int((here - i) * length), 0), length)
            sections.append(TimelineSection(length, done, drags if drag else None))
        return sections

    return st.builds(with_position, lengths, st.floats(0, 1))


@given(timelines(), st.integers(1, 120), st.sampled_from(["", "3 branches", "drag 12 140/300"]))
def test_the_timeline_fills_its_width_and_has_one_marker(line: list[TimelineSection], width: int, label: str) -> None:
    text = timeline_row(line, width, label)
    assert cell_len(text.plain) == len(text.plain) == width
    assert text.plain.count(HERE_GLYPH) == 1
    if width >= len(label) + 12:
        assert text.plain.endswith(label)
    assert all(0 <= span.start <= span.end <= width for span in text.spans)
