"""What the keys do to the document, without a terminal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.core.edit import DragSettings, Edit
from draggan_engine.core.edit_ops import Brush, paint_brush
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size
from draggan_engine.core.history import DraggedPair, DragRecord, History, Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.mask_regions import Region, draw_shape, grow_region
from draggan_engine.core.model_info import ModelInfo
from draggan_tui.editor.commands.mask import MAX_BRUSH
from draggan_tui.editor.mask_preview import preview_mask
from draggan_tui.editor.state import Shape
from draggan_tui.editor.workspace import EditorState

GRID = Size(32, 32)
INFO = ModelInfo(
    name="toy", sha256="00", family="StyleGAN2", format="a test's", width=128, height=128, num_ws=12, z_dim=8, w_dim=8,
    mapping_layers=2, blocks=("b4", "b8"), rows=("b4.conv1",), parameters=1, psi=0.7, settings=DragSettings(r1=4, feature_block="b8"),
)  # fmt: skip


@pytest.fixture
def work() -> EditorState:
    return loaded()


def loaded(psi: float | None = None) -> EditorState:
    workspace = EditorState(History.of(Edit(model="/some/toy.pkl", source=LatentRef(seed=5))), psi)
    workspace.model_loaded(INFO)
    workspace.move_to((65.5, 65.5))  # the middle of preview pixel (16, 16)
    return workspace


def mask_of(work: EditorState) -> Region:
    assert work.edit.mask is not None
    return work.edit.mask.to_array().astype(np.bool_)


def set_pair(work: EditorState, handle: tuple[float, float], target: tuple[float, float]) -> None:
    for point in (handle, target):
        work.move_to(point)
        work.place()


def record(work: EditorState, number: int = 1) -> DragRecord:
    pairs = tuple(
        DraggedPair(handle=p.handle, target=p.target, final=(p.target[0] - 1, p.target[1]), distance=1)
        for p in work.edit.pairs
        if p.target is not None
    )
    return DragRecord(
        number=number, source=LatentRef(seed=5, psi=1), reason="reached", steps=3, seconds=1, pairs=pairs,
        settings=work.edit.settings, masked=False,
    )  # fmt: skip


def test_the_models_defaults_complete_the_edit() -> None:
    work = loaded()
    assert (work.edit.model, work.edit.source.psi, work.edit.settings) == ("toy", 0.7, INFO.settings)
    assert loaded(psi=0.3).edit.source.psi == 0.3
    assert len(work.history.lineage) == 1
    assert work.revision == 0


def test_nothing_can_be_edited_before_the_model_is_there() -> None:
    work = EditorState(Edit(model="toy"), None)
    for action in (
        work.place,
        work.undo,
        work.clear_mask,
        work.toggle_space,
        lambda: work.move(1, 0, GRID),
        lambda: work.reseed(1),
    ):
        with pytest.raises(EditError, match="still loading"):
            action()


def test_moves_count_and_stop_at_the_edges(work: EditorState) -> None:
    work.to_edge(-1, 0, GRID)
    assert work.pixel(work.cursor, GRID) == (0, 16)
    work.type_digit(1)
    work.type_digit(2)
    work.move(1, 0, GRID)
    assert work.pixel(work.cursor, GRID) == (12, 16)
    assert work.count == 0
    work.move(0, 8, GRID)
    work.move(0, 8, GRID)
    assert work.pixel(work.cursor, GRID) == (12, 31)
    assert work.revision == 0


def test_a_count_repeats_what_comes_next(work: EditorState) -> None:
    def counted(count: int, change: Callable[[], object]) -> None:
        for digit in str(count):
            work.type_digit(int(digit))
        change()
        assert work.count == 0

    start = work.edit
    for x in (10, 30, 50, 70):
        set_pair(work, (x, 10), (x + 5, 10))
    assert len(work.history.lineage) == 9
    counted(3, work.undo)
    assert [pair.target for pair in work.edit.pairs] == [(15, 10), (35, 10), None]
    counted(2, work.redo)
    assert [pair.target for pair in work.edit.pairs] == [(15, 10), (35, 10), (55, 10), None]
    counted(99, work.redo)  # as many as there are
    assert len(work.edit.pairs) == 4
    with pytest.raises(EditError, match="there is nothing to redo"):
        work.redo()
    counted(9999, work.undo)
    assert work.edit == start
    counted(8, work.redo)

    assert work.selected == 0
    counted(5, lambda: work.select(1))
    assert (work.selected, work.cursor) == (1, (30, 10))
    counted(6, lambda: work.select(-1))
    assert work.selected == 3
    counted(2, lambda: work.select(-1))
    counted(2, work.delete)  # the second and the third
    assert [pair.handle for pair in work.edit.pairs] == [(10, 10), (70, 10)]
    work.undo()  # one change
    assert len(work.edit.pairs) == 4
    counted(7, work.delete)  # from the selected one on
    assert [pair.handle for pair in work.edit.pairs] == [(10, 10)]

    counted(4, lambda: work.resize_brush(1))
    assert work.brush.size == 5
    counted(100, lambda: work.resize_brush(1))
    assert work.brush.size == MAX_BRUSH
    counted(30, lambda: work.resize_brush(-1))
    assert work.brush.size == 2
    counted(10, lambda: work.reseed(1))
    counted(3, lambda: work.reseed(-1))
    assert work.edit.source.seed == 12


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=20))
def test_the_cursor_never_leaves_the_picture(moves: list[tuple[int, int]]) -> None:
    work = loaded()
    for dx, dy in moves:
        work.move(dx, dy, GRID)
        assert work.cursor is not None
        assert 0 <= work.cursor[0] <= 127
        assert 0 <= work.cursor[1] <= 127


def test_handle_then_target(work: EditorState) -> None:
    assert work.place()
    work.move(3, 0, GRID)
    assert not work.place()
    pair = work.edit.pairs[0]
    assert pair.target == (pair.handle[0] + 12, pair.handle[1])
    assert work.selected == 0
    assert work.place()  # the next pair
    work.cancel()
    assert len(work.edit.pairs) == 1


def test_selecting_deleting_retargeting(work: EditorState) -> None:
    set_pair(work, (10, 10), (20, 10))
    set_pair(work, (50, 50), (60, 50))
    work.select(1)
    assert (work.selected, work.cursor) == (0, (10, 10))
    work.move_to((30, 30))
    work.retarget()
    assert work.edit.pairs[0].target == (30, 30)
    work.select(-1)
    assert work.selected == 1
    work.delete()
    assert [pair.handle for pair in work.edit.pairs] == [(10, 10)]
    work.delete()
    assert work.selected is None
    with pytest.raises(EditError, match="there is no pair"):
        work.delete()


def test_a_drag_is_one_entry_and_its_undo_brings_the_handles_back(work: EditorState) -> None:
    set_pair(work, (10, 10), (20, 10))
    before = work.edit
    work.begin_drag()
    work.moved = ((14, 10),)
    assert work.drawn.pairs[0].handle == (14, 10)
    for action in (work.place, work.undo, work.delete, work.clear_mask):
        with pytest.raises(EditError, match="a drag is running"):
            action()
    work.end_drag(Revision.of_drag(work.history.current_revision, record(work)))
    pair = work.edit.pairs[0]
    assert (work.edit.source.drag, pair.handle, pair.target) == (1, (19, 10), (20, 10))
    work.undo()
    assert work.edit == before
    work.redo()
    assert work.edit.source.drag == 1


def test_a_drag_without_result_changes_nothing(work: EditorState) -> None:
    set_pair(work, (10, 10), (20, 10))
    before = work.history
    work.begin_drag()
    work.end_drag(None)
    assert work.history is before
    assert not work.dragging


def test_what_cannot_be_dragged_is_refused(work: EditorState) -> None:
    with pytest.raises(EditError, match="nothing to drag"):
        work.begin_drag()
    set_pair(work, (10, 10), (10.5, 10))
    with pytest.raises(EditError, match="within 1 px of its target"):
        work.begin_drag()
    assert not work.dragging


def test_the_pen_paints_its_way_as_one_change(work: EditorState) -> None:
    work.to_edge(-1, 0, GRID)
    work.toggle_pen(GRID)
    entries = len(work.history.lineage)
    work.type_digit(5)
    work.move(1, 0, GRID)
    assert len(work.history.lineage) == entries + 1
    assert work.edit.mask is not None
    painted = preview_mask(work.edit.mask, GRID)
    assert [tuple(place) for place in np.argwhere(painted)] == [(16, column) for column in range(6)]
    assert work.edit.mask.to_array().sum() == 6 * 16  # whole cells of 4×4 pixels
    work.undo()
    work.undo()
    assert work.edit.mask is None


def test_brush_toggle_invert_clear(work: EditorState) -> None:
    work.resize_brush(2)
    work.paint(None, GRID)
    assert work.edit.mask is not None
    assert preview_mask(work.edit.mask, GRID).sum() == 9
    work.invert_mask()
    assert preview_mask(work.edit.mask, GRID).sum() == 32 * 32 - 9
    work.invert_mask()
    work.paint(None, GRID)
    assert work.edit.mask is None, "an empty mask is no mask"
    with pytest.raises(EditError, match="no mask to invert"):
        work.invert_mask()
    work.paint(None, GRID)
    work.clear_mask()
    assert work.edit.mask is None
    work.resize_brush(-99)
    assert work.brush.size == 1


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9, 32])
@given(point=st.tuples(st.floats(0, 127), st.floats(0, 127)), cells=st.sampled_from([8, 32, 50, 128, 200]))
def test_a_round_brush_is_within_the_square_one_and_toggles(size: int, point: tuple[float, float], cells: int) -> None:
    grid, picture = Size(cells, cells), Size(128, 128)
    square = paint_brush(Edit(model="toy"), point, Brush(size), grid, picture, paint=True)
    disc = paint_brush(Edit(model="toy"), point, Brush(size, round=True), grid, picture, paint=True)
    assert square.mask is not None
    assert disc.mask is not None
    assert not (disc.mask.to_array() & ~square.mask.to_array()).any()
    toggled = paint_brush(Edit(model="toy"), point, Brush(size, round=True), grid, picture, paint=None)
    assert toggled == disc
    assert paint_brush(toggled, point, Brush(size, round=True), grid, picture, paint=None).mask is None


def test_a_round_brush_is_a_disc_at_the_pictures_resolution(work: EditorState) -> None:
    work.resize_brush(4)
    work.reshape_brush()
    assert work.brush == Brush(5, round=True)
    work.paint(True, GRID)
    rows, columns = np.indices((128, 128))
    disc = (rows - 65.5) ** 2 + (columns - 65.5) ** 2 <= 10**2  # 5 preview pixels of 4, round the middle one's middle
    assert np.array_equal(mask_of(work), disc)
    work.reshape_brush()
    assert not work.brush.round


def test_a_rectangle_and_an_ellipse_from_corner_to_corner(work: EditorState) -> None:
    work.next_shape()
    work.move(4, 2, GRID)
    work.move(-9, 0, GRID)  # beyond where it began
    assert work.shape == Shape("rectangle", (65.5, 65.5))
    work.finish_shape(True, GRID)
    rectangle = np.zeros((128, 128), np.bool_)
    rectangle[64:76, 44:68] = True
    assert np.array_equal(mask_of(work), rectangle)
    assert (work.shape, len(work.history.lineage)) == (None, 2)
    work.next_shape()
    work.next_shape()
    work.move(4, -2, GRID)
    area = work.shape_area(GRID)
    assert area is not None
    assert np.array_equal(area, draw_shape("ellipse", (44, 64, 64, 76), Size(128, 128)))
    work.finish_shape(False, GRID)
    assert np.array_equal(mask_of(work), rectangle & ~area)
    assert len(work.history.lineage) == 3
    work.undo()
    assert np.array_equal(mask_of(work), rectangle)


def test_a_shape_that_erases_all_leaves_no_mask(work: EditorState) -> None:
    work.next_shape()
    with pytest.raises(EditError, match="no mask to erase from"):
        work.finish_shape(False, GRID)
    assert work.shape is not None
    work.finish_shape(True, GRID)
    work.next_shape()
    work.finish_shape(False, GRID)
    assert work.edit.mask is None
    work.undo()
    work.to_edge(-1, 0, GRID)
    work.next_shape()
    with pytest.raises(EditError, match="does not reach into the shape"):
        work.finish_shape(False, GRID)
    work.cancel()
    with pytest.raises(EditError, match=r"there is no shape: \{shape\} starts one"):
        work.finish_shape(True, GRID)


def test_v_goes_round_and_escape_leaves_the_shape_first(work: EditorState) -> None:
    forms = []
    for _ in range(3):
        work.next_shape()
        forms.append(None if work.shape is None else work.shape.form)
    assert forms == ["rectangle", "ellipse", None]
    work.place()
    work.next_shape()
    work.cancel()
    assert (work.shape, len(work.edit.pairs)) == (None, 1)
    work.cancel()
    assert work.edit.pairs == ()


def test_pen_and_shape_give_way_to_each_other_and_to_a_drag(work: EditorState) -> None:
    set_pair(work, (10, 10), (20, 10))
    work.toggle_pen(GRID)
    work.next_shape()
    assert not work.pen
    work.toggle_pen(GRID)
    assert work.shape is None
    work.next_shape()
    work.begin_drag()
    assert work.shape is None
    before = work.history
    for action in (work.next_shape, lambda: work.finish_shape(True, GRID), lambda: work.grow_mask(1, GRID)):
        with pytest.raises(EditError, match="a drag is running"):
            action()
    assert work.history is before
    work.end_drag(None)
    work.next_shape()
    work.begin_loading("other")
    assert work.shape is None


def test_growing_and_shrinking_are_one_change_each(work: EditorState) -> None:
    work.paint(True, GRID)
    cell = mask_of(work)
    work.type_digit(3)
    work.grow_mask(1, GRID)
    assert np.array_equal(mask_of(work), grow_region(cell, 12))  # three preview pixels of 4
    assert len(work.history.lineage) == 3
    work.type_digit(3)
    work.grow_mask(-1, GRID)
    assert np.array_equal(mask_of(work), cell)
    assert work.count == 0
    for grid in (Size(128, 128), Size(400, 400)):  # never by less than a pixel of the picture
        work.grow_mask(-1, grid)
        assert mask_of(work).sum() == 4
        work.undo()


def test_masks_that_cannot_grow_or_shrink(work: EditorState) -> None:
    with pytest.raises(EditError, match="no mask to grow or shrink"):
        work.grow_mask(1, GRID)
    work.paint(True, GRID)
    before = work.history
    with pytest.raises(EditError, match="nothing would be left"):
        work.grow_mask(-1, GRID)
    assert work.history is before
    work.type_digit(9)
    work.type_digit(9)
    work.grow_mask(1, GRID)
    assert mask_of(work).all()
    for step in (1, -1):
        with pytest.raises(EditError, match="covers the whole image"):
            work.grow_mask(step, GRID)


def test_looking_through_seeds_asks_for_no_folder_until_something_is_made(work: EditorState) -> None:
    work.reseed(1)
    work.type_digit(3)
    work.reseed(-1)
    assert work.edit.source.seed == 3
    assert not work.unsaved
    work.undo()
    work.undo()
    assert (work.edit.source.seed, work.unsaved) == (5, False)
    work.place()
    assert work.unsaved
    work.saved = work.revision
    work.reseed(1)
    assert work.unsaved


def test_another_seed_leaves_the_drags_behind_and_undo_brings_them_back(work: EditorState) -> None:
    set_pair(work, (10, 10), (20, 10))
    work.begin_drag()
    work.end_drag(Revision.of_drag(work.history.current_revision, record(work)))
    work.reseed(1)
    assert work.edit.source.drag is None
    work.undo()
    assert work.edit.source.drag == 1


def test_another_class_is_like_another_seed(work: EditorState) -> None:
    with pytest.raises(EditError, match="toy has no classes"):
        work.reclass(1)
    work.model_loaded(INFO.model_copy(update={"classes": 10}))
    work.reclass(-1)
    assert (work.edit.source.label, work.unsaved) == (9, False)
    work.type_digit(3)
    work.reclass(1)
    assert work.edit.source.label == 2
    set_pair(work, (10, 10), (20, 10))
    work.begin_drag()
    work.end_drag(Revision.of_drag(work.history.current_revision, record(work)))
    work.reclass(1)
    assert work.edit.source.drag is None
    work.undo()
    assert (work.edit.source.label, work.edit.source.drag) == (2, 1)


@pytest.mark.parametrize(("classes", "label"), [(0, 0), (3, 2), (10, 7)])
def test_another_model_begins_anew(work: EditorState, classes: int, label: int) -> None:
    work.model_loaded(INFO.model_copy(update={"classes": 10}))
    work.type_digit(7)
    work.reclass(1)
    set_pair(work, (10, 10), (20, 10))
    work.toggle_pen(GRID)
    work.type_digit(4)
    work.begin_loading("other")
    assert not work.pen
    with pytest.raises(EditError, match="a model is loading"):
        work.begin_loading("a third")
    work.model_loaded(INFO.model_copy(update={"name": "other", "width": 64, "psi": 0.5, "classes": classes}))
    assert work.edit == Edit(model="other", source=LatentRef(seed=5, psi=0.5, label=label), settings=INFO.settings)
    assert (len(work.history.revisions), work.selected, work.count, work.cursor) == (1, None, 0, (31.5, 63.5))
    assert (work.revision, work.saved, work.loading) == (0, 0, None)
    work.place()


def test_a_model_that_does_not_come_leaves_all_as_it_is(work: EditorState) -> None:
    work.place()
    before = work.history
    work.begin_loading("other")
    work.cancel()  # would drop the waiting handle
    assert work.history is before
    work.end_loading()
    work.cancel()
    assert work.edit.pairs == ()
