"""The keys of the editor in Textual's test driver, with a fake engine that records commands."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from textual.events import Key
from textual.widgets import Input, Static

from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    Command,
    DragProgress,
    DragStarted,
    Export,
    Exported,
    Failed,
    ImageRendered,
    ModelLoaded,
    MoveSession,
    PreviewSize,
    Render,
    Saved,
    SessionMoved,
    StartDrag,
    StopDrag,
)
from draggan_tui.app import DragganApp
from draggan_tui.editor.modes import Idle
from draggan_tui.keymap import COUNT_KEYS, KEY_BINDINGS, KEY_GROUPS, KeyBinding
from draggan_tui.rendering.drag_outcome import FALLBACK_TEXT
from draggan_tui.screens.directory_prompt import DirectoryPrompt
from draggan_tui.screens.editor import EditorScreen, command_function
from draggan_tui.screens.help_dialog import HelpDialog
from draggan_tui.screens.question import Question
from draggan_tui.screens.settings_dialog import SettingsDialog
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.status_line import MessageKind, StatusLine
from tests.support.editing import INFO, editor_opens, ended, place_pair, ready, shown, status, until, until_screen_shows


async def test_keys_change_nothing_before_the_model_is_loaded(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        assert isinstance(app.screen, EditorScreen)
        await until_screen_shows(app, "toy")
        await pilot.press(
            "enter", "d", "u", "m", "space", "comma", "n", "s", "x", "t", "i", "c", "w", "l", "tab", "full_stop"
        )
        assert app.editor.state.edit.pairs == ()
        assert not app.engine.sent  # type: ignore[attr-defined]


class AppWithEarlyKey(DragganApp):
    """An app that gets a key after its first frame, before its editor opens."""

    first_frame = ""

    async def open_editor(self) -> None:
        self.first_frame = self.export_screenshot()
        await self.on_event(Key("question_mark", "?"))
        await super().open_editor()


async def test_the_first_frame_names_the_model_and_keys_typed_over_it_reach_the_editor(app: DragganApp) -> None:
    early_app = AppWithEarlyKey(app.options)
    async with early_app.run_test(size=(80, 24)):
        await until(lambda: isinstance(early_app.screen, HelpDialog) and early_app.screen.is_mounted)
        assert early_app.screen_stack[-2] is early_app.editor
    assert "toy" in early_app.first_frame


async def test_placing_dragging_and_undoing(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        pair = app.editor.state.edit.pairs[0]
        assert pair.target is not None
        assert pair.distance == pytest.approx(3.5 * 128 / 44 + 0.5, abs=1)
        await pilot.press("d")
        start = engine.last(StartDrag)
        assert (start.revision, start.preview_size) == (
            app.editor.state.history.current,
            PreviewSize(width=42, height=42),
        )
        engine.say(DragStarted(drag_number=1))
        engine.say(
            DragProgress(
                step=1, max_steps=300, loss=0.5, mean_distance=9.0, handles=((66.0, 63.0),), steps_per_second=4.0
            )
        )
        await until(lambda: [pair.handle for pair in app.editor.state.drawn_edit.pairs] == [(66.0, 63.0)])
        lines = str(app.screen.query_one("#drag", Static).render()).splitlines()
        assert [line.split() for line in lines[0:3:2]] == [["drag", "1", "1/300"], ["4.0", "steps/s", "–", "left"]]
        await pilot.press("d")
        assert isinstance(engine.sent[-1], StopDrag)
        engine.say(ended(app, "stopped"))
        await until(lambda: "drag 1 stopped: 3 steps" in status(app))
        assert app.editor.state.edit.source.drag == 1
        assert engine.edit.source.drag == 1
        request = engine.last(Render)
        assert request.edit.source.drag == 1
        dragged = np.full((42, 42, 3), 9, np.uint8)
        engine.say(
            ImageRendered(request_id=request.request_id, image=ImageData(width=42, height=42, rgb=dragged.tobytes()))
        )
        await until(lambda: np.array_equal(shown(app), dragged))
        # Both images are cached now: undo and redo show them without another request.
        panel = app.screen.query_one("#drag", Static)
        assert panel.display
        await pilot.press("u")
        assert app.editor.state.edit.source.drag is None
        assert not shown(app).any()
        assert not panel.display  # it is about an image that is not to be seen now
        await pilot.press("ctrl+r")
        assert np.array_equal(shown(app), dragged)
        assert panel.display
        assert engine.last(Render) is request


async def test_a_drag_that_cannot_use_its_precision_says_so(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d")
        engine.say(DragStarted(drag_number=1, notice="no bfloat16 here, so this drag uses float32"))
        await until(lambda: status(app) == "no bfloat16 here, so this drag uses float32")


async def test_one_step_is_a_drag_of_one_step(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("full_stop")
        assert engine.last(StartDrag).max_steps == 1
        assert app.editor.state.edit.settings.max_steps == 300


async def test_saving_says_where(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("s")
        assert isinstance(engine.sent[-1], Export)
        engine.say(Exported(files=("draggan-out/x/initial.png", "draggan-out/x/final.png")))
        await until(lambda: status(app) == "saved to draggan-out/x")


async def test_settings_are_checked_and_are_one_change(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("comma")
        screen = app.screen
        assert isinstance(screen, SettingsDialog)
        screen.query_one("#r1", Input).value = "zero"
        screen.query_one("#feature_block", Input).value = "b16"
        await pilot.press("enter")
        assert "radius r1: must be a number from 1 to 256" in str(screen.query_one("#problem", Static).render())
        screen.query_one("#r1", Input).value = "5"
        screen.query_one("#feature_block", Input).value = "b999"
        await pilot.press("enter")
        assert "feature block: must be b4, b8 or b16" in str(screen.query_one("#problem", Static).render())
        screen.query_one("#feature_block", Input).value = "b16"
        screen.query_one("#psi", Input).value = "0.5"
        await pilot.press("enter")
        edit = app.editor.state.edit
        assert (edit.settings.r1, edit.settings.feature_block, edit.source.psi) == (5, "b16", 0.5)
        assert engine.last(Render).edit.source.psi == 0.5
        await pilot.press("u")
        assert (app.editor.state.edit.settings, app.editor.state.edit.source.psi) == (INFO.settings, 0.7)


async def test_a_change_that_is_reported_after_enter_leaves_the_error_message(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("comma")
        radius = app.screen.query_one("#r1", Input)
        radius.value = "zero"
        await pilot.press("enter")
        app.screen.post_message(Input.Changed(radius, radius.value))
        await pilot.pause()
        problem = app.screen.query_one("#problem", Static)
        assert "radius r1: must be a number" in str(problem.render()) and radius.has_class("-invalid")
        radius.value = "7"
        await until(lambda: str(problem.render()) == "" and not radius.has_class("-invalid"))


async def test_help_lists_every_binding_and_closes(app: DragganApp) -> None:
    async with app.run_test(size=(100, 110)) as pilot:
        await ready(app, pilot)
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpDialog)
        await until_screen_shows(app, "undo", "one step", "smaller brush", "previous pair", "restart the engine")
        await pilot.press("escape")
        assert app.screen is app.editor


@pytest.mark.parametrize("binding", KEY_BINDINGS.values(), ids=KEY_BINDINGS)
def test_every_binding_names_a_command(binding: KeyBinding) -> None:
    topic, _, name = binding.command.partition(".")
    if topic == "app":
        assert callable(getattr(DragganApp, f"action_{name}"))
    else:
        signature(command_function(binding)).bind(None, *binding.arguments)


def test_no_id_is_used_twice() -> None:
    ids = [binding.id for bindings in (*KEY_GROUPS.values(), COUNT_KEYS) for binding in bindings]
    assert len(ids) == len(set(ids))


async def test_a_session_is_moved_once_however_often_enter_is_pressed(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        engine.say(Failed(task="save", message="/full could not be written"))
        await pilot.pause()
        await pilot.press("t", "enter", "enter")
        assert [type(command) for command in engine.sent].count(MoveSession) == 1
        engine.say(Failed(task="move_session", message="/t could not be written"))
        await pilot.pause()
        await pilot.press("enter")
        assert [type(command) for command in engine.sent].count(MoveSession) == 2
        engine.say(SessionMoved(directory=engine.last(MoveSession).directory))
        await until(lambda: app.screen is app.editor)


async def test_quitting_asks_only_when_something_would_be_lost(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        engine.acknowledges = False
        await place_pair(pilot)
        engine.say(Failed(task="save", message="/full/session.json could not be written"))
        await until(lambda: isinstance(app.screen, DirectoryPrompt) and app.screen.is_mounted)
        await pilot.press("escape")
        assert "/full/session.json" in status(app)
        assert app.editor.state.edit.pairs
        await pilot.press("q")
        await until(lambda: isinstance(app.screen, Question) and app.screen.is_mounted)
        await pilot.press("n")
        assert app.screen is app.editor
        await pilot.press("ctrl+q")  # Textual's own way out asks too
        await until(lambda: isinstance(app.screen, Question) and app.screen.is_mounted)
        await pilot.press("escape")
        engine.say(Saved(change_count=app.editor.state.change_count, directory="x"))
        await pilot.press("q")
        await until(lambda: not app.is_running)
    assert app.return_code == 0


async def test_a_lost_engine_is_reported_and_restarted_with_the_session(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d")
        edit = app.editor.state.edit
        engine.alive = False
        engine.lose()
        await until(lambda: isinstance(app.screen, Question) and app.screen.is_mounted)
        await pilot.press("escape")
        await pilot.press("d", "m")
        assert engine.sent.count(engine.last(StartDrag)) == 1
        assert app.editor.state.edit.pairs == edit.pairs
        await pilot.press("m", "R")
        await until(lambda: engine.resumed == [None, "draggan-out/x"])
        assert engine.edit == app.editor.state.edit
        engine.say(ModelLoaded(spec="toy", info=INFO, device="cpu"))
        await pilot.pause()
        assert app.editor.state.edit.pairs == edit.pairs
        await pilot.press("d")
        assert app.editor.state.is_dragging


async def test_a_model_that_cannot_be_opened_ends_the_editor(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        app.engine.say(Failed(task="start", message="none.pkl: there is no such file"))  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.pause()
        assert not app.is_running
    assert (app.return_code, app.farewell) == (2, "none.pkl: there is no such file")


async def test_a_crash_goes_to_the_log_not_to_the_terminal(
    app: DragganApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def fail(_: Command) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):  # the test driver hands it on
        async with app.run_test(size=(80, 24)) as pilot:
            engine = await ready(app, pilot)
            engine.send = fail  # type: ignore[method-assign]
            await pilot.press("enter")
    (log,) = tmp_path.rglob("engine.log")
    assert "ZeroDivisionError" in log.read_text()
    assert app.farewell is not None
    assert str(log) in app.farewell
    assert app.return_code == 1
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_counts_by_key(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        state = app.editor.state
        await pilot.press("1", "0", "n", "3", "N", "4", "]", "2", "[")
        assert (state.edit.source.seed, state.brush.size) == (12, 3)
        await pilot.press("2", "u")
        assert state.edit.source.seed == 5
        await pilot.press("2", "ctrl+r")
        assert state.edit.source.seed == 12
        for _ in range(3):
            await place_pair(pilot)
        await pilot.press("2", "tab")
        assert state.selected_pair == 1
        await pilot.press("shift+tab", "2", "shift+tab")
        assert state.selected_pair == 1
        await pilot.press("2", "x")
        assert (len(state.edit.pairs), status(app)) == (1, "2 pairs are deleted")
        await pilot.press("x")
        assert (len(state.edit.pairs), status(app)) == (0, "pair 1 is deleted")
        await pilot.press("u", "1", "2", "full_stop")
        start = engine.last(StartDrag)
        assert start.max_steps == 12
        assert state.edit.settings.max_steps == 300


@pytest.mark.parametrize(("keys", "closes"), [(["question_mark"], "q"), (["comma"], "escape"), (["d", "d"], "")])
async def test_the_next_command_uses_up_the_count(app: DragganApp, keys: list[str], closes: str) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await place_pair(pilot)
        *first, last = keys
        await pilot.press(*first, "3", last)
        assert app.editor.state.count == 0
        assert app.editor.query_one(StatusLine).mode.strip("* DRAG") == ""
        await pilot.press(*([closes] if closes else []))
        assert app.screen is app.editor


async def test_a_typed_count_applies_to_one_key(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("3", "i")
        assert app.editor.state.count == 0
        await pilot.press("1", "2")
        assert app.editor.state.count == 12
        await pilot.press("l")
        assert app.editor.state.count == 0


async def test_the_status_line_says_once_that_the_papers_method_continues_a_drag(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d")
        reports = []
        for drag_number, step, is_fallback in ((1, 1, False), (1, 2, True), (1, 3, True), (2, 1, False), (2, 2, True)):
            if step == 1:
                engine.say(DragStarted(drag_number=drag_number))
            progress = DragProgress(
                step=step, max_steps=9, loss=1, mean_distance=1, handles=((66.0, 63.0),), steps_per_second=1,
                is_fallback=is_fallback,
            )  # fmt: skip
            engine.say(progress)
            await pilot.pause()
            reports.append(status(app) == FALLBACK_TEXT)
            await pilot.press("h")  # a key clears the message
            assert status(app) == ""
        assert reports == [False, True, False, False, True]


async def test_a_drag_of_no_steps_leaves_no_trace_in_the_history(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d")
        before = app.editor.state.history
        none = ended(app, "stopped")
        engine.say(none.model_copy(update={"record": none.record.model_copy(update={"steps": 0}), "revision": None}))
        await pilot.pause()
        assert app.editor.state.history is before
        assert not app.editor.state.is_dragging


@pytest.mark.parametrize("size", [(80, 24), (160, 48), (40, 12), (20, 6)])
async def test_the_image_fits_any_size_and_a_resize_requests_no_image(app: DragganApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.resize_terminal(*size)
        await pilot.pause()
        assert app.editor.context.drag.preview_size().height <= max(2 * size[1], 2)
        assert sum(isinstance(command, Render) for command in engine.sent) == 1, "the image serves every size"
        await place_pair(pilot)
        assert app.export_screenshot()


async def test_a_restart_resumes_no_directory_that_this_session_has_not_written(
    app: DragganApp, tmp_path: Path
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        engine.write_to(tmp_path)
        engine.acknowledges = False  # as for a directory that cannot be written
        await place_pair(pilot)
        engine.alive = False
        engine.lose()
        await pilot.pause()
        await pilot.press("r")
        await until(lambda: engine.resumed == [None, None])


async def test_a_long_problem_is_shown_whole(app: DragganApp) -> None:
    problem = "/a/path/that/is/long/model.pkl is not a whole file (EOFError); it is damaged or cut short: get it again"
    async with app.run_test(size=(60, 24)) as pilot:
        engine = await ready(app, pilot)
        canvas, line = app.editor.query_one(Canvas), app.editor.query_one(StatusLine)
        before = canvas.region
        engine.say(Failed(task="load_model", message=problem))
        await pilot.pause()
        assert (line.region.height, line.region.bottom) == (2, 23)
        assert [strip.text.rstrip() for strip in line.render_lines(line.size.region)] == [
            " /a/path/that/is/long/model.pkl is not a whole file",
            " (EOFError); it is damaged or cut short: get it again",
        ]
        assert canvas.region == before  # the message covers the image, which does not move
        await pilot.press("escape")
        assert (line.region.height, line.region.bottom) == (1, 23)


@pytest.mark.parametrize("kind", ["plain", "good", "warning"])
async def test_a_long_message_is_shown_whole(app: DragganApp, kind: MessageKind) -> None:
    async with app.run_test(size=(60, 24)) as pilot:
        await ready(app, pilot)
        line = app.editor.query_one(StatusLine)
        app.editor.report("brush 3, round; handle 1 is outside the mask, where nothing may move", kind)
        await pilot.pause()
        assert [strip.text.rstrip() for strip in line.render_lines(line.size.region)] == [
            " brush 3, round; handle 1 is outside the mask, where",
            " nothing may move",
        ]


async def test_the_brush_is_square_or_round(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        facts = app.screen.query_one("#facts", Static)
        await pilot.press("right_square_bracket", "right_square_bracket", "b")
        assert str(facts.render()).endswith("brush  3 round")
        await pilot.press("b")
        assert str(facts.render()).endswith("brush  3 square")


async def test_a_shape_is_outlined_painted_and_erased(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        state, line = app.editor.state, app.editor.query_one(StatusLine)
        await pilot.press("v")
        assert status(app) == "rectangle: it reaches from here to the cursor"
        await pilot.press("6", "l", "4", "j")
        assert line.mode.split() == ["RECTANGLE"]
        shape = app.editor.panels.overlay().shape
        assert shape is not None
        assert shape.sum() == 7 * 5
        await pilot.press("enter")
        assert status(app) == "shape painted: 2% of the image may move"
        assert engine.edit.mask is not None
        assert app.editor.panels.overlay().mask.sum() == 7 * 5  # type: ignore[union-attr]
        assert app.editor.panels.overlay().shape is None
        assert (state.edit.pairs, len(state.history.lineage), line.mode) == ((), 2, "")
        await pilot.press("v", "v")
        assert status(app) == "ellipse: it reaches from here to the cursor"
        await pilot.press("2", "h", "2", "k")
        await pilot.press("backspace")
        assert status(app) == "shape erased: 2% of the image may move"
        assert 0 < app.editor.panels.overlay().mask.sum() < 7 * 5  # type: ignore[union-attr]
        await pilot.press("u", "v", "escape")
        assert (state.mode, len(state.history.lineage)) == (Idle(), 2)
        await pilot.press("backspace")
        assert status(app) == "there is no shape: v starts one at the cursor"
        await pilot.press("v", "v", "v")
        assert status(app) == "no shape"
        await pilot.press("2", "l", "2", "j", "v", "6", "h", "4", "k", "backspace")
        assert status(app) == "shape erased: there is no mask, so everything may move"
        await pilot.press("enter")
        assert len(state.edit.pairs) == 1


async def test_a_shape_follows_the_mouse(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("home", "pageup", "v")
        await pilot.click(Canvas, offset=(app.editor.query_one(Canvas).size.width // 2, 3))
        shape = app.editor.panels.overlay().shape
        assert shape is not None
        assert shape[0, 0]
        assert shape.any(axis=1).sum() == 7


async def test_the_mask_grows_and_shrinks(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        state = app.editor.state
        await pilot.press("greater_than_sign")
        assert "no mask to grow" in status(app)
        await pilot.press("space", "3", "greater_than_sign")
        assert status(app) == "mask grown: 2% of the image may move"
        cells = app.editor.panels.overlay().mask
        assert cells is not None
        assert cells.any(axis=0).sum() == cells.any(axis=1).sum() == 7
        await pilot.press("2", "less_than_sign")
        assert status(app) == "mask shrunk: <1% of the image may move"
        assert app.editor.panels.overlay().mask.any(axis=0).sum() == 3  # type: ignore[union-attr]
        assert len(state.history.lineage) == 4
        await pilot.press("9", "less_than_sign")
        assert status(app) == "nothing would be left of the mask; c clears it"
        await pilot.press("c", "u", "u", "u", "u")
        assert state.edit.mask is None


async def test_a_drag_locks_the_mask_tools(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("space", "d")
        before = app.editor.state.history
        for key in ("v", "backspace", "greater_than_sign", "less_than_sign"):
            await pilot.press(key)
            assert status(app) == "a drag is running: d stops it"
        assert app.editor.state.history is before
