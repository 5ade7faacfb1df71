"""The history as a line and in words, two pictures in one, and the pictures that are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.cells import cell_len

from draggan_engine.core.edit import DragSettings, Edit, Mask, PointPair
from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.history import DraggedPair, DragRecord, History, Revision, Trajectory
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.revision_id import DragRevisionId, RevisionId
from draggan_tui.editor.history_cursor import HistoryCursor
from draggan_tui.editor.history_text import branch_text, change_text, place_text
from draggan_tui.editor.preview_cache import PreviewCache
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.compare import DIFFERENCE_GAIN, ComparedImages, join_images
from draggan_tui.rendering.timeline import HERE_GLYPH, TimelineSection, timeline_row, timeline_sections

PAIR = PointPair(handle=(10, 10), target=(20, 10))
START = Edit(model="toy", source=LatentRef(seed=42), pairs=(PAIR,))


def dragged(history: History, steps: int, live: int | None = None) -> History:
    """Return the history with a drag of so many steps on the present revision."""
    parent = history.current_revision
    points: tuple[Point, Point] = (20, 10), (19, 10)
    pairs = (DraggedPair(handle=parent.edit.pairs[0].handle, target=points[0], final=points[1], distance=1),)
    record = DragRecord(
        number=len(history.drag_records) + 1, source=LatentRef(drag=parent.edit.source.drag, seed=42, psi=1), reason="reached", steps=steps, seconds=1, pairs=pairs,
        settings=DragSettings(), masked=False, live=live,
    )  # fmt: skip
    return history.merge([Revision.of_drag(parent, record)]).jump_to(DragRevisionId(record.number))


def changed(history: History, **fields: object) -> History:
    """Change fields of the edit, or of the image's source."""
    of_source = {name: value for name, value in fields.items() if name in LatentRef.model_fields}
    of_edit = {name: value for name, value in fields.items() if name not in of_source}
    edit = history.edit.with_source(history.edit.source.model_copy(update=of_source))
    return history.change(edit.model_copy(update=of_edit))


def path(number: int, *steps: int) -> Trajectory:
    return Trajectory(number=number, steps=steps, handles=tuple(((10.0 + i, 10.0),) for i in range(len(steps))))


def line(place: HistoryCursor, width: int, *paths: Trajectory, label: str = "") -> str:
    return timeline_row(timeline_sections(place, {path.number: path for path in paths}), width, label).plain


# The line -----------------------------------------------------------------------------------------------


def test_a_timeline_without_history() -> None:
    assert line(HistoryCursor(History.of(START)), 6) == "◆     "


def test_the_timeline_of_drags_undone_and_redone() -> None:
    history = dragged(changed(History.of(START), psi=0.5), 8)
    end = changed(changed(history, seed=1), seed=2)
    seen = []
    for _ in range(6):
        seen.append(line(HistoryCursor(end), 16))
        end = end.undo()
    assert seen == [
        "╺·┝1━━━━━┥·◆    ",
        "╺·┝1━━━━━┥◆·    ",
        "╺·┝1━━━━━◆··    ",
        "╺◆┝1━━━━━┥··    ",
        "◆·┝1━━━━━┥··    ",
        "◆·┝1━━━━━┥··    ",
    ]


def test_undoable_sections_are_bold_and_redoable_ones_dim() -> None:
    place = HistoryCursor(dragged(changed(History.of(START), psi=0.5), 6).undo())
    text = timeline_row(timeline_sections(place, {}), 20)
    assert text.plain.startswith("╺◆┝1━━━┥")
    assert [(span.start, span.end, span.style) for span in text.spans][:3] == [
        (0, 1, "bold"),
        (1, 2, "bold $text-accent"),
        (2, 20, "$foreground-muted"),
    ]


def test_the_timeline_within_a_drag() -> None:
    history = changed(dragged(History.of(START), 8), seed=1).undo()
    way = path(1, *range(9))
    assert [line(HistoryCursor(history, inner), 12, way) for inner in (1, 2, 4, 7)] == [
        "╺◆1━━━━━┥·  ",
        "╺┝◆━━━━━┥·  ",
        "╺┝1━◆━━━┥·  ",
        "╺┝1━━━━◆┥·  ",
    ]


def test_a_drag_with_few_kept_steps_keeps_its_length_from_within() -> None:
    history = dragged(History.of(START), 8)
    assert line(HistoryCursor(history, 1), 12, path(1, 0, 4, 8)) == "╺┝1━◆━━━┥   "
    assert line(HistoryCursor(history), 12, path(1, 0, 4, 8)) == "╺┝1━━━━━◆   "


def test_the_marker_reaches_the_end_of_a_long_drag_only_at_its_last_step() -> None:
    history = dragged(History.of(START), 1000)
    way = path(1, *range(1001))
    assert line(HistoryCursor(history, 999), 11, way) == "╺┝1━━━━━━◆┥"
    assert line(HistoryCursor(history), 11, way) == "╺┝1━━━━━━━◆"


def test_drags_share_the_row_by_their_steps_and_short_ones_stay_visible() -> None:
    history = dragged(dragged(dragged(History.of(START), 90), 30), 1)
    assert [line(HistoryCursor(history), width) for width in (40, 20, 13)] == [
        "╺┝1━━━━━━━━━━━━━━━━━━━━━━━┥┝2━━━━━┥┝3━◆ ",
        "╺┝1━━━━━━━━┥┝2━┥┝3━◆",
        "╺┝1━┥┝2━┥┝3━◆",
    ]


def test_many_edits_are_three_dots() -> None:
    history = History.of(START)
    for seed in range(9):
        history = changed(history, seed=seed)
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
        history = dragged(history, 100)
    assert line(HistoryCursor(history.jump_to(at)), width) == expected


def test_a_number_that_does_not_fit_is_left_out() -> None:
    assert timeline_row([TimelineSection(1, 1, 12), TimelineSection(1, 0, 345)], 10).plain == "╺┝12◆┝━━┥ "
    assert timeline_row([TimelineSection(5, 0, 345)], 10).plain == "◆┝345┥    "


def test_the_label_is_on_the_right_and_is_left_out_first() -> None:
    history = changed(History.of(START), seed=1)
    assert line(HistoryCursor(history), 22, label="3 branches") == "╺◆          3 branches"
    assert line(HistoryCursor(history), 21, label="3 branches") == "╺◆" + " " * 19


def every_stretch() -> st.SearchStrategy[list[TimelineSection]]:
    """Draw sections of a timeline and a position on it; what lies before the position is done."""
    lengths = st.lists(st.tuples(st.integers(1, 2000), st.booleans()), max_size=40)

    def place(kinds: list[tuple[int, bool]], where: float) -> list[TimelineSection]:
        here, drags, found = where * len(kinds), 0, []
        for i, (length, drag) in enumerate(kinds):
            drags += drag
            done = min(max(int((here - i) * length), 0), length)
            found.append(TimelineSection(length, done, drags if drag else None))
        return found

    return st.builds(place, lengths, st.floats(0, 1))


@given(every_stretch(), st.integers(1, 120), st.sampled_from(["", "3 branches", "drag 12 140/300"]))
def test_the_timeline_fills_its_width_and_has_one_marker(line: list[TimelineSection], width: int, label: str) -> None:
    text = timeline_row(line, width, label)
    assert cell_len(text.plain) == len(text.plain) == width
    assert text.plain.count(HERE_GLYPH) == 1
    if width >= len(label) + 12:
        assert text.plain.endswith(label)
    assert all(0 <= span.start <= span.end <= width for span in text.spans)


# In words -----------------------------------------------------------------------------------------------


def test_the_text_of_changes() -> None:
    other = PointPair(handle=(1, 2), target=(3, 4))
    mask = Mask.from_array(np.ones((8, 8), np.uint8))
    history = History.of(START)
    said = [change_text(history, history.current_revision)]
    for fields in (
        {"pairs": (PAIR, other)},
        {"pairs": (PAIR, other.model_copy(update={"enabled": False}))},
        {"pairs": (other, PAIR)},
        {"pairs": (PAIR,)},
        {"mask": mask},
        {"mask": None},
        {"psi": 0.5},
        {"settings": DragSettings(r1=5)},
        {"seed": 43},
        {"label": 2},
        {"from_file": True},
        {"from_file": False},
    ):
        history = changed(history, **fields)
        said.append(change_text(history, history.current_revision))
    assert said == [
        "seed 42", "pair 2", "pair 2", "several pairs", "pair deleted", "mask changed", "mask cleared", "settings changed", "settings changed", "seed 43",
        "seed 43, class 2", "latent from a file", "seed 43, class 2",
    ]  # fmt: skip


def test_the_text_of_drags() -> None:
    history = dragged(dragged(History.of(START), 1), 24, live=0)
    assert change_text(history, history.revisions[DragRevisionId(1)]) == "drag 1, 1 step"
    assert change_text(history, history.revisions[DragRevisionId(2)]) == "live drag 2, 24 steps"
    back = history.change(history.edit.with_source(history.edit.source.model_copy(update={"drag": None})))
    assert change_text(back, back.current_revision) == "seed 42", "the same seed again, without its drags"


def test_a_branch_from_within_a_drag_names_the_step() -> None:
    history = dragged(History.of(START), 9)
    history = HistoryCursor(history, 2).history_from_here({1: path(1, 0, 3, 6, 9)})
    assert change_text(history, history.current_revision) == "from step 6 of drag 1"
    assert branch_text(history, history.current_revision) == "from step 6 of drag 1"
    further = changed(history, psi=0.5)
    assert change_text(further, further.current_revision) == "settings changed"
    assert branch_text(further, further.current_revision) == "settings changed"


def test_the_text_of_branches() -> None:
    history = dragged(History.of(START), 9)
    assert branch_text(history, history.current_revision) == "drag 1, 9 steps"
    twice = dragged(changed(history, pairs=(PAIR,)), 3)
    assert branch_text(twice, twice.current_revision) == "drag 2, 3 steps, after drag 1"
    other = changed(twice.jump_to(0), seed=7)
    assert branch_text(other, other.current_revision) == "seed 7, before any drag"
    after = changed(twice.jump_to(DragRevisionId(1)), psi=0.5)
    third = changed(dragged(twice, 5), psi=0.5)
    assert branch_text(third, third.current_revision) == "settings changed, after drags 1, 2 and 3"
    assert branch_text(after, after.current_revision) == "settings changed, after drag 1"


def test_the_text_of_the_position() -> None:
    history = dragged(History.of(START), 9)
    assert place_text(HistoryCursor(history), {}) == ""
    assert place_text(HistoryCursor(history, 1), {1: path(1, 0, 4, 9)}) == "drag 1 4/9"
    branched = changed(history.jump_to(0), seed=7)
    assert place_text(HistoryCursor(branched), {}) == "2 branches"
    assert place_text(HistoryCursor(branched.jump_to(DragRevisionId(1)), 1), {1: path(1, 0, 4, 9)}) == "drag 1 4/9"


# Two pictures in one ------------------------------------------------------------------------------------


def flat(width: int, height: int, value: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


BEFORE, AFTER = flat(8, 4, 10), flat(8, 4, 200)


def test_only_before_or_only_after() -> None:
    assert join_images(BEFORE, AFTER, "after") is AFTER
    assert np.array_equal(join_images(BEFORE, AFTER, "before"), BEFORE)


@pytest.mark.parametrize(
    ("column", "row"),
    [
        (-3, [200] * 8),
        (0, [200] * 8),
        (1, [10, 255, *[200] * 6]),
        (4, [10] * 4 + [255] + [200] * 3),
        (7, [10] * 7 + [255]),
        (8, [10] * 8),
        (50, [10] * 8),
    ],
)
def test_the_position_of_the_split(column: int, row: list[int]) -> None:
    split = join_images(BEFORE, AFTER, "split", column)
    assert split[0, :, 0].tolist() == row
    assert split[1, :, 0].tolist() == [0 if value == 255 else value for value in row], "the line is dashed"
    assert (BEFORE == 10).all(), "neither is written on"
    assert (AFTER == 200).all()


@pytest.mark.parametrize("scale", [None, 3 / 8, 1, 8])
def test_the_line_of_the_split_is_one_screen_pixel_wide_at_every_zoom(scale: float | None) -> None:
    view = Viewport(Size(256, 256), Size(43, 44), scale).centred((128.0, 128.0))
    split = ComparedImages(flat(256, 256, 10), flat(256, 256, 200), "split", 0.5).sampled(view)
    middle = round(view.grid.width / 2) - view.window.left
    assert split[0, :, 0].tolist() == [10] * middle + [255] + [200] * (view.window.width - middle - 1)


def test_the_difference_is_taken_between_resampled_images() -> None:
    """Noise that resampling removes is no difference."""
    noise = np.indices((8, 8)).sum(axis=0)[..., None] % 2 * 20
    before, after = np.broadcast_to(100 + noise, (8, 8, 3)), np.broadcast_to(120 - noise, (8, 8, 3))
    images = ComparedImages(before.astype(np.uint8), after.astype(np.uint8), "difference", 0.0)
    assert not images.sampled(Viewport(Size(8, 8), Size(4, 4))).any()
    assert images.sampled(Viewport(Size(8, 8), Size(8, 8))).all()


def test_the_difference_is_amplified_and_black_where_nothing_has_changed() -> None:
    before, after = flat(3, 2, 100), flat(3, 2, 100)
    after[0, 0], after[0, 1], after[0, 2] = (104, 100, 97), (0, 255, 100), (99, 100, 255)
    difference = join_images(before, after, "difference")
    assert difference.dtype == np.uint8
    assert difference[0].tolist() == [
        [4 * DIFFERENCE_GAIN, 0, 3 * DIFFERENCE_GAIN],
        [255, 255, 0],
        [DIFFERENCE_GAIN, 0, 255],
    ]
    assert not difference[1].any()
    assert np.array_equal(join_images(after, before, "difference"), difference)


# The images that are kept -------------------------------------------------------------------------------


def test_an_image_is_cached_by_its_source() -> None:
    pictures = PreviewCache()
    pictures.put("a", AFTER)
    assert pictures.get("a") is AFTER
    assert pictures.get("b") is None
    pictures.put("a", BEFORE)
    assert pictures.get("a") is BEFORE, "in the place of the older one"


def test_the_least_recently_used_images_are_dropped() -> None:
    pictures = PreviewCache(capacity=3 * AFTER.nbytes)
    for name in "abc":
        pictures.put(name, AFTER)
    assert pictures.get("a") is not None
    pictures.put("d", AFTER)
    assert [name for name in "abcd" if pictures.get(name) is not None] == ["a", "c", "d"]
    pictures.put("d", BEFORE)  # in its own place
    assert [name for name in "abcd" if pictures.get(name) is not None] == ["a", "c", "d"]
    pictures.clear()
    assert pictures.get("d") is None
    for name in "abc":
        pictures.put(name, AFTER)
    assert pictures.get("a") is not None, "what was cleared takes no room"


def test_both_images_of_a_comparison_stay_however_large_they_are() -> None:
    pictures = PreviewCache(capacity=1)
    for name in "abc":
        pictures.put(name, AFTER)
    assert [name for name in "abc" if pictures.get(name) is not None] == ["b", "c"]
