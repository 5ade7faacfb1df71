"""What the commands do to the edit, without a terminal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import Brush, paint_brush
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size
from draggan_engine.core.history import DraggedPair, DragRecord, Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.mask_regions import draw_shape, grow_region
from draggan_tui.editor.commands import drag, history, mask, points, session, view
from draggan_tui.editor.commands.context import CommandContext
from draggan_tui.editor.commands.mask import MAX_BRUSH
from draggan_tui.editor.mask_preview import preview_mask
from draggan_tui.editor.modes import Idle, LoadingModel, Pen, ShapeMode
from draggan_tui.editor.state import EditorState
from tests.support.editor_commands import (
    GRID,
    INFO,
    context_of,
    counting,
    last_message,
    loaded_context,
    mask_of,
    place_pair_at,
)


@pytest.fixture
def context() -> CommandContext:
    return loaded_context()


def record(context: CommandContext, number: int = 1) -> DragRecord:
    pairs = tuple(
        DraggedPair(handle=p.handle, target=p.target, final=(p.target[0] - 1, p.target[1]), distance=1)
        for p in context.state.edit.pairs
        if p.target is not None
    )
    return DragRecord(
        number=number, source=LatentRef(seed=5, psi=1), reason="reached", steps=3, seconds=1, pairs=pairs,
        settings=context.state.edit.settings, masked=False,
    )  # fmt: skip


def test_the_models_defaults_complete_the_edit() -> None:
    context = loaded_context()
    assert (context.state.edit.model, context.state.edit.source.psi, context.state.edit.settings) == (
        "toy",
        0.7,
        INFO.settings,
    )
    assert loaded_context(psi=0.3).state.edit.source.psi == 0.3
    assert len(context.state.history.lineage) == 1
    assert context.state.change_count == 0


def test_nothing_can_be_edited_before_the_model_is_loaded() -> None:
    context = context_of(EditorState.new(Edit(model="toy")))
    for action in (
        lambda: points.place(context),
        lambda: history.undo(context),
        lambda: mask.clear(context),
        lambda: drag.switch_space(context),
        lambda: view.move_cursor(context, 1, 0),
        lambda: session.browse_seeds(context, 1),
    ):
        with pytest.raises(EditError, match="still loading"):
            action()


def test_moves_count_and_stop_at_the_edges(context: CommandContext) -> None:
    view.move_to_edge(context, -1, 0)
    assert context.state.viewport.pixel(context.state.cursor) == (0, 16)
    view.move_cursor(counting(context, 12), 1, 0)
    assert context.state.viewport.pixel(context.state.cursor) == (12, 16)
    view.move_cursor(context, 0, 8)
    view.move_cursor(context, 0, 8)
    assert context.state.viewport.pixel(context.state.cursor) == (12, 31)
    assert context.state.change_count == 0


def test_a_count_repeats_the_next_command(context: CommandContext) -> None:
    start = context.state.edit
    for x in (10, 30, 50, 70):
        place_pair_at(context, (x, 10), (x + 5, 10))
    assert len(context.state.history.lineage) == 9
    history.undo(counting(context, 3))
    assert [pair.target for pair in context.state.edit.pairs] == [(15, 10), (35, 10), None]
    history.redo(counting(context, 2))
    assert [pair.target for pair in context.state.edit.pairs] == [(15, 10), (35, 10), (55, 10), None]
    history.redo(counting(context, 99))  # as many as there are
    assert len(context.state.edit.pairs) == 4
    with pytest.raises(EditError, match="there is nothing to redo"):
        history.redo(context)
    history.undo(counting(context, 9999))
    assert context.state.edit == start
    history.redo(counting(context, 8))

    assert context.state.selected_pair == 0
    points.select(counting(context, 5), 1)
    assert (context.state.selected_pair, context.state.cursor) == (1, (30, 10))
    points.select(counting(context, 6), -1)
    assert context.state.selected_pair == 3
    points.select(counting(context, 2), -1)
    points.delete(counting(context, 2))  # the second and the third
    assert [pair.handle for pair in context.state.edit.pairs] == [(10, 10), (70, 10)]
    history.undo(context)  # one change
    assert len(context.state.edit.pairs) == 4
    points.delete(counting(context, 7))  # from the selected one on
    assert [pair.handle for pair in context.state.edit.pairs] == [(10, 10)]

    mask.resize_brush(counting(context, 4), 1)
    assert context.state.brush.size == 5
    mask.resize_brush(counting(context, 100), 1)
    assert context.state.brush.size == MAX_BRUSH
    mask.resize_brush(counting(context, 30), -1)
    assert context.state.brush.size == 2
    session.browse_seeds(counting(context, 10), 1)
    session.browse_seeds(counting(context, 3), -1)
    assert context.state.edit.source.seed == 12


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=20))
def test_the_cursor_never_leaves_the_image(moves: list[tuple[int, int]]) -> None:
    context = loaded_context()
    for dx, dy in moves:
        view.move_cursor(context, dx, dy)
        assert context.state.cursor is not None
        assert 0 <= context.state.cursor[0] <= 127
        assert 0 <= context.state.cursor[1] <= 127


def test_the_first_point_is_a_handle_and_the_second_its_target(context: CommandContext) -> None:
    points.place(context)
    assert last_message(context) == "handle 1 is set: move to its target"
    view.move_cursor(context, 3, 0)
    points.place(context)
    assert last_message(context) == "pair 1 is set"
    pair = context.state.edit.pairs[0]
    assert pair.target == (pair.handle[0] + 12, pair.handle[1])
    assert context.state.selected_pair == 0
    points.place(context)  # the next pair
    points.cancel(context)
    assert len(context.state.edit.pairs) == 1


def test_pairs_are_selected_deleted_and_retargeted(context: CommandContext) -> None:
    place_pair_at(context, (10, 10), (20, 10))
    place_pair_at(context, (50, 50), (60, 50))
    points.select(context, 1)
    assert (context.state.selected_pair, context.state.cursor) == (0, (10, 10))
    context.state.place_cursor((30, 30))
    points.move_target(context)
    assert context.state.edit.pairs[0].target == (30, 30)
    points.select(context, -1)
    assert context.state.selected_pair == 1
    points.delete(context)
    assert [pair.handle for pair in context.state.edit.pairs] == [(10, 10)]
    points.delete(context)
    assert context.state.selected_pair is None
    with pytest.raises(EditError, match="there is no pair"):
        points.delete(context)


def test_a_drag_is_one_revision_and_its_undo_restores_the_handles(context: CommandContext) -> None:
    place_pair_at(context, (10, 10), (20, 10))
    before = context.state.edit
    drag.toggle_drag(context)
    context.drag.take_step(((14, 10),), 1.5)
    assert context.state.drawn_edit.pairs[0].handle == (14, 10)
    for action in (
        lambda: points.place(context),
        lambda: history.undo(context),
        lambda: points.delete(context),
        lambda: mask.clear(context),
    ):
        with pytest.raises(EditError, match="a drag is running"):
            action()
    context.drag.end(Revision.of_drag(context.state.history.current_revision, record(context)))
    pair = context.state.edit.pairs[0]
    assert (context.state.edit.source.drag, pair.handle, pair.target) == (1, (19, 10), (20, 10))
    history.undo(context)
    assert context.state.edit == before
    history.redo(context)
    assert context.state.edit.source.drag == 1


def test_a_drag_without_result_changes_nothing(context: CommandContext) -> None:
    place_pair_at(context, (10, 10), (20, 10))
    before = context.state.history
    drag.toggle_drag(context)
    context.drag.end(None)
    assert context.state.history is before
    assert not context.state.is_dragging


def test_a_drag_with_nothing_to_move_is_refused(context: CommandContext) -> None:
    with pytest.raises(EditError, match="nothing to drag"):
        drag.toggle_drag(context)
    place_pair_at(context, (10, 10), (10.5, 10))
    with pytest.raises(EditError, match="within 1 px of its target"):
        drag.toggle_drag(context)
    assert not context.state.is_dragging


def test_the_pen_paints_along_the_cursors_path_as_one_change(context: CommandContext) -> None:
    view.move_to_edge(context, -1, 0)
    mask.toggle_pen(context)
    entries = len(context.state.history.lineage)
    view.move_cursor(counting(context, 5), 1, 0)
    assert len(context.state.history.lineage) == entries + 1
    assert context.state.edit.mask is not None
    painted = preview_mask(context.state.edit.mask, GRID)
    assert [tuple(place) for place in np.argwhere(painted)] == [(16, column) for column in range(6)]
    assert context.state.edit.mask.to_array().sum() == 6 * 16  # whole cells of 4×4 pixels
    history.undo(context)
    history.undo(context)
    assert context.state.edit.mask is None


def test_the_mask_is_toggled_inverted_and_cleared(context: CommandContext) -> None:
    mask.resize_brush(context, 2)
    mask.toggle_cell(context)
    assert context.state.edit.mask is not None
    assert preview_mask(context.state.edit.mask, GRID).sum() == 9
    mask.invert(context)
    assert preview_mask(context.state.edit.mask, GRID).sum() == 32 * 32 - 9
    mask.invert(context)
    mask.toggle_cell(context)
    assert context.state.edit.mask is None, "an empty mask is no mask"
    with pytest.raises(EditError, match="no mask to invert"):
        mask.invert(context)
    mask.toggle_cell(context)
    mask.clear(context)
    assert context.state.edit.mask is None
    mask.resize_brush(context, -99)
    assert context.state.brush.size == 1


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9, 32])
@given(point=st.tuples(st.floats(0, 127), st.floats(0, 127)), cells=st.sampled_from([8, 32, 50, 128, 200]))
def test_a_round_brush_is_within_the_square_one_and_toggles(size: int, point: tuple[float, float], cells: int) -> None:
    grid, image_size = Size(cells, cells), Size(128, 128)
    square = paint_brush(Edit(model="toy"), point, Brush(size), grid, image_size, paint=True)
    disc = paint_brush(Edit(model="toy"), point, Brush(size, round=True), grid, image_size, paint=True)
    assert square.mask is not None
    assert disc.mask is not None
    assert not (disc.mask.to_array() & ~square.mask.to_array()).any()
    toggled = paint_brush(Edit(model="toy"), point, Brush(size, round=True), grid, image_size, paint=None)
    assert toggled == disc
    assert paint_brush(toggled, point, Brush(size, round=True), grid, image_size, paint=None).mask is None


def test_a_round_brush_is_a_disc_at_the_images_resolution(context: CommandContext) -> None:
    mask.resize_brush(context, 4)
    mask.toggle_brush_shape(context)
    assert context.state.brush == Brush(5, round=True)
    mask.toggle_cell(context)
    rows, columns = np.indices((128, 128))
    disc = (rows - 65.5) ** 2 + (columns - 65.5) ** 2 <= 10**2  # 5 preview pixels of 4, round the middle one's middle
    assert np.array_equal(mask_of(context), disc)
    mask.toggle_brush_shape(context)
    assert not context.state.brush.round


def test_a_rectangle_and_an_ellipse_from_corner_to_corner(context: CommandContext) -> None:
    mask.next_shape(context)
    view.move_cursor(context, 4, 2)
    view.move_cursor(context, -9, 0)  # beyond where it began
    assert context.state.mode == ShapeMode("rectangle", (65.5, 65.5))
    mask.finish_shape(context, paint=True)
    rectangle = np.zeros((128, 128), np.bool_)
    rectangle[64:76, 44:68] = True
    assert np.array_equal(mask_of(context), rectangle)
    assert (context.state.mode, len(context.state.history.lineage)) == (Idle(), 2)
    mask.next_shape(context)
    mask.next_shape(context)
    view.move_cursor(context, 4, -2)
    area = context.state.shape_area
    assert area is not None
    assert np.array_equal(area, draw_shape("ellipse", (44, 64, 64, 76), Size(128, 128)))
    mask.finish_shape(context, paint=False)
    assert np.array_equal(mask_of(context), rectangle & ~area)
    assert len(context.state.history.lineage) == 3
    history.undo(context)
    assert np.array_equal(mask_of(context), rectangle)


def test_a_shape_that_erases_all_leaves_no_mask(context: CommandContext) -> None:
    mask.next_shape(context)
    with pytest.raises(EditError, match="no mask to erase from"):
        mask.finish_shape(context, paint=False)
    assert isinstance(context.state.mode, ShapeMode)
    mask.finish_shape(context, paint=True)
    mask.next_shape(context)
    mask.finish_shape(context, paint=False)
    assert context.state.edit.mask is None
    history.undo(context)
    view.move_to_edge(context, -1, 0)
    mask.next_shape(context)
    with pytest.raises(EditError, match="does not reach into the shape"):
        mask.finish_shape(context, paint=False)
    points.cancel(context)
    with pytest.raises(EditError, match=r"there is no shape: \{shape\} starts one"):
        mask.finish_shape(context, paint=True)


def test_v_cycles_through_the_shapes_and_escape_first_leaves_the_shape(context: CommandContext) -> None:
    forms = []
    for _ in range(3):
        mask.next_shape(context)
        mode = context.state.mode
        forms.append(mode.kind if isinstance(mode, ShapeMode) else None)
    assert forms == ["rectangle", "ellipse", None]
    points.place(context)
    mask.next_shape(context)
    points.cancel(context)
    assert (context.state.mode, len(context.state.edit.pairs)) == (Idle(), 1)
    points.cancel(context)
    assert context.state.edit.pairs == ()


def test_pen_and_shape_replace_each_other_and_end_with_a_drag(context: CommandContext) -> None:
    place_pair_at(context, (10, 10), (20, 10))
    mask.toggle_pen(context)
    mask.next_shape(context)
    assert isinstance(context.state.mode, ShapeMode)
    mask.toggle_pen(context)
    assert context.state.mode == Pen()
    mask.next_shape(context)
    drag.toggle_drag(context)
    assert context.state.is_dragging
    before = context.state.history
    for action in (
        lambda: mask.next_shape(context),
        lambda: mask.finish_shape(context, paint=True),
        lambda: mask.grow(context, 1),
    ):
        with pytest.raises(EditError, match="a drag is running"):
            action()
    assert context.state.history is before
    context.drag.end(None)
    mask.next_shape(context)
    context.state.start_loading("other")
    assert context.state.mode == LoadingModel("other")


def test_growing_and_shrinking_are_one_change_each(context: CommandContext) -> None:
    mask.toggle_cell(context)
    cell = mask_of(context)
    mask.grow(counting(context, 3), 1)
    assert np.array_equal(mask_of(context), grow_region(cell, 12))  # three preview pixels of 4
    assert len(context.state.history.lineage) == 3
    mask.grow(counting(context, 3), -1)
    assert np.array_equal(mask_of(context), cell)
    for room in (Size(128, 128), Size(400, 400)):  # never by less than a pixel of the image
        context.state.resize_view(room)
        mask.grow(context, -1)
        assert mask_of(context).sum() == 4
        history.undo(context)


def test_a_missing_or_full_mask_cannot_grow_and_a_small_one_cannot_shrink(context: CommandContext) -> None:
    with pytest.raises(EditError, match="no mask to grow or shrink"):
        mask.grow(context, 1)
    mask.toggle_cell(context)
    before = context.state.history
    with pytest.raises(EditError, match="nothing would be left"):
        mask.grow(context, -1)
    assert context.state.history is before
    mask.grow(counting(context, 99), 1)
    assert mask_of(context).all()
    for step in (1, -1):
        with pytest.raises(EditError, match="covers the whole image"):
            mask.grow(context, step)


def test_browsing_seeds_saves_nothing_until_the_edit_is_changed(context: CommandContext) -> None:
    session.browse_seeds(context, 1)
    session.browse_seeds(counting(context, 3), -1)
    assert context.state.edit.source.seed == 3
    assert not context.state.has_unsaved_changes
    history.undo(context)
    history.undo(context)
    assert (context.state.edit.source.seed, context.state.has_unsaved_changes) == (5, False)
    points.place(context)
    assert context.state.has_unsaved_changes
    context.state.saved_change_count = context.state.change_count
    session.browse_seeds(context, 1)
    assert context.state.has_unsaved_changes


def test_another_seed_drops_the_drags_and_undo_restores_them(context: CommandContext) -> None:
    place_pair_at(context, (10, 10), (20, 10))
    drag.toggle_drag(context)
    context.drag.end(Revision.of_drag(context.state.history.current_revision, record(context)))
    session.browse_seeds(context, 1)
    assert context.state.edit.source.drag is None
    history.undo(context)
    assert context.state.edit.source.drag == 1


def test_another_class_drops_the_drags_like_another_seed(context: CommandContext) -> None:
    with pytest.raises(EditError, match="toy has no classes"):
        session.browse_classes(context, 1)
    context.state.use_model(INFO.model_copy(update={"classes": 10}))
    session.browse_classes(context, -1)
    assert (context.state.edit.source.label, context.state.has_unsaved_changes) == (9, False)
    session.browse_classes(counting(context, 3), 1)
    assert context.state.edit.source.label == 2
    place_pair_at(context, (10, 10), (20, 10))
    drag.toggle_drag(context)
    context.drag.end(Revision.of_drag(context.state.history.current_revision, record(context)))
    session.browse_classes(context, 1)
    assert context.state.edit.source.drag is None
    history.undo(context)
    assert (context.state.edit.source.label, context.state.edit.source.drag) == (2, 1)


@pytest.mark.parametrize(("classes", "label"), [(0, 0), (3, 2), (10, 7)])
def test_another_model_begins_a_new_session(context: CommandContext, classes: int, label: int) -> None:
    context.state.use_model(INFO.model_copy(update={"classes": 10}))
    session.browse_classes(counting(context, 7), 1)
    place_pair_at(context, (10, 10), (20, 10))
    mask.toggle_pen(context)
    context.state.count = 4
    context.state.start_loading("other")
    assert context.state.mode == LoadingModel("other")
    with pytest.raises(EditError, match="a model is loading"):
        context.state.start_loading("a third")
    context.state.use_model(INFO.model_copy(update={"name": "other", "width": 64, "psi": 0.5, "classes": classes}))
    assert context.state.edit == Edit(
        model="other", source=LatentRef(seed=5, psi=0.5, label=label), settings=INFO.settings
    )
    assert (
        len(context.state.history.revisions),
        context.state.selected_pair,
        context.state.count,
        context.state.cursor,
    ) == (1, None, 0, (31.5, 63.5))
    assert (context.state.change_count, context.state.saved_change_count, context.state.mode) == (0, 0, Idle())
    points.place(context)


def test_a_model_that_cannot_be_loaded_changes_nothing_in_the_state(context: CommandContext) -> None:
    points.place(context)
    before = context.state.history
    context.state.start_loading("other")
    points.cancel(context)  # would drop the waiting handle
    assert context.state.history is before
    context.state.stop_loading()
    points.cancel(context)
    assert context.state.edit.pairs == ()
