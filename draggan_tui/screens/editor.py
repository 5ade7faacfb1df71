"""The editor's screen: composes the widgets, binds the key map, and runs commands."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase
from types import ModuleType
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key, Resize
from textual.screen import Screen

from draggan_engine import MOST_PREVIEWS_PER_SECOND
from draggan_engine.core.errors import EditError, ThemeError
from draggan_tui.client.advice import with_advice
from draggan_tui.client.engine_client import EngineClient
from draggan_tui.config import themes
from draggan_tui.editor.commands import drag, history, labels, mask, mouse, photograph, points, session, view
from draggan_tui.editor.commands.context import CommandContext, MessageKind
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.editor.modes import Idle, Labels, LoadingModel
from draggan_tui.editor.photograph import PhotographStart
from draggan_tui.editor.state import EditorState
from draggan_tui.keymap import KEY_BINDINGS, KeyBinding
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.window_title import window_title
from draggan_tui.terminal.cell_shape import CellShape
from draggan_tui.widgets.canvas import Canvas

from . import editor_layout, screen_commands
from .branch_list import BranchList
from .editor_layout import EditorLayout
from .editor_messages import EngineEvent, ThemeChosen
from .editor_session import EditorSession
from .engine_events import EngineEvents
from .photographs import Photographs
from .window_status import WindowStatus

COMMAND_MODULES: dict[str, ModuleType] = {
    "drag": drag,
    "history": history,
    "labels": labels,
    "mask": mask,
    "photograph": photograph,
    "points": points,
    "screen": screen_commands,
    "session": session,
    "view": view,
}


def command_function(binding: KeyBinding) -> Callable[..., object]:
    """Return the function that a binding of the key map names."""
    module_name, _, function_name = binding.command.partition(".")
    function: Callable[..., object] = getattr(COMMAND_MODULES[module_name], function_name)
    return function


def action_of(binding: KeyBinding) -> str:
    """Return the Textual action that runs a binding's command."""
    return binding.command if binding.command.startswith("app.") else f"run('{binding.id}')"


class EditorScreen(Screen[None]):
    """
    Args:
        state: what is edited.
        engine: its events come as `EngineEvent` and `EngineLost`.
        depth: how many colours the terminal takes.
        shape: how the cells of images are divided.
        previews_per_second: how many previews of a drag are shown at most.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(binding.keys, action_of(binding), show=False, id=binding.id) for binding in KEY_BINDINGS.values()
    ]
    DEFAULT_CSS = editor_layout.LAYOUT_CSS
    HORIZONTAL_BREAKPOINTS = editor_layout.HORIZONTAL_BREAKPOINTS
    VERTICAL_BREAKPOINTS = editor_layout.VERTICAL_BREAKPOINTS

    def __init__(
        self,
        state: EditorState,
        engine: EngineClient,
        depth: ColorDepth,
        shape: CellShape,
        previews_per_second: int = MOST_PREVIEWS_PER_SECOND,
    ) -> None:
        super().__init__()
        self.state, self.engine = state, engine
        self.context = CommandContext.create(state, engine, self)
        if engine.options.latent is not None:
            state.file_latent = FileLatent(engine.options.latent.name)
        self.panels = EditorLayout(self, state, self.context.images, depth, shape)
        self.session = EditorSession(self)
        self.photographs = Photographs(self)
        self.window_status = WindowStatus(self)
        self._engine_events = EngineEvents(self, previews_per_second)
        self._passed_keys: list[Key] = []

    def compose(self) -> ComposeResult:
        yield from self.panels.compose()

    def on_mount(self) -> None:
        self.panels.start()

    def on_resize(self, resize_event: Resize) -> None:
        self.panels.fit_wide_panel(resize_event.size.width, resize_event.size.height)

    # Commands -------------------------------------------------------------------------------------------

    async def action_run(self, id: str) -> None:
        """Run the command of a binding."""
        if id != "cancel":
            self._remove_labels()
        binding = KEY_BINDINGS[id]
        command = command_function(binding)
        if binding.command.startswith("screen."):
            await screen_commands.run(self, command)
        else:
            self.attempt(lambda: command(self.context, *binding.arguments))

    def take_count(self) -> None:
        """Give the typed count to the command that comes now."""
        self.context.count, self.state.count = self.state.count, 0

    def attempt(self, command: Callable[[], object]) -> bool:
        """Run a command and show the state; show its error, if it raises one. Return whether it succeeded."""
        self.take_count()
        try:
            command()
        except EditError as edit_error:
            self.report(with_advice(str(edit_error), edit_error.remedy), "bad")
            return False
        finally:
            self.sync()
        return True

    def sync(self) -> None:
        """Tell the engine what it does not know yet, and show the state."""
        context = self.context
        context.sync.save_changes()
        context.drag.follow()
        if self.state.model_info is not None and not isinstance(self.state.mode, LoadingModel):
            self._request_image()
        self.show_state()

    def show_state(self) -> None:
        """Show the state as it is."""
        self.context.images.follow(self.state)
        self.panels.show()
        state = self.state
        self.window_status.show_title(window_title(state.mode, state.edit, state.file_latent))

    def _request_image(self) -> None:
        """Request an image that is to be shown and has not come, if there is one."""
        edit = self.panels.missing_edit()
        if edit is None and isinstance(self.app.screen, BranchList):
            edit = self.app.screen.missing_image()
        if edit is not None:
            self.context.sync.request_image(edit)

    def action_theme(self, theme_name: str) -> None:
        """Use another theme for this run."""
        try:
            chosen_theme = themes.load_theme(theme_name)
        except ThemeError as theme_error:
            self.report(str(theme_error), "bad")
            return
        self.post_message(ThemeChosen(chosen_theme))
        self.report(f"theme {theme_name} for this session; draggan-tui config edit keeps it for good")

    # Messages -------------------------------------------------------------------------------------------

    def report(self, message: str, kind: MessageKind = "plain") -> None:
        """Show a message; it may name keys by their bindings, as `{drag}`."""
        self.panels.report(message, kind)

    def begin_command(self) -> None:
        """Clear the status line: the user does something, so the message has been read."""
        self.panels.status_line.clear()

    def end_hints(self) -> None:
        """End the hints for newcomers."""
        self.panels.end_hints()

    def shows_whole_preview(self) -> bool:
        """Return whether every pixel of an image can be seen."""
        return self.panels.shows_loupe()

    def invert_photograph(self, start: PhotographStart) -> None:
        """Have the engine invert a photograph, in another session if this one has no room for it."""
        self.photographs.invert(start)

    # Keys and mouse -------------------------------------------------------------------------------------

    def on_key(self, key_event: Key) -> None:
        letter = key_event.key
        if isinstance(self.state.mode, Labels) and letter in tuple(ascii_lowercase):
            key_event.stop()
            self.begin_command()
            self.attempt(lambda: labels.jump_to_label(self.context, letter))
            return
        self._passed_keys.append(key_event)  # on its way to the application, which looks its binding up

    def _remove_labels(self) -> None:
        """Remove the letters at points: the user does something else."""
        if isinstance(self.state.mode, Labels):
            self.state.mode = Idle()

    def has_passed(self, key_event: Key) -> bool:
        """Return whether a key that has come to the application came by way of the editor, and forget it."""
        has_passed = any(passed_key is key_event for passed_key in self._passed_keys)
        self._passed_keys = [passed_key for passed_key in self._passed_keys if passed_key is not key_event]
        return has_passed

    def on_canvas_resized(self, canvas_event: Canvas.Resized) -> None:
        self.state.resize_view(canvas_event.canvas.room)
        self.sync()

    def on_canvas_pressed(self, canvas_event: Canvas.Pressed) -> None:
        self.begin_command()
        self._remove_labels()
        command = mouse.press if canvas_event.button == 1 else mouse.delete_at
        self.attempt(lambda: command(self.context, canvas_event.point))

    def on_canvas_dragged(self, canvas_event: Canvas.Dragged) -> None:
        if self.state.gesture is not None:
            self.attempt(lambda: mouse.move(self.context, canvas_event.point))

    def on_canvas_released(self, canvas_event: Canvas.Released) -> None:
        self.attempt(lambda: mouse.release(self.context, canvas_event.point))

    def on_canvas_dropped(self) -> None:
        self.attempt(lambda: mouse.abandon(self.context))

    def on_canvas_wheel(self, canvas_event: Canvas.Wheel) -> None:
        self.begin_command()
        self._remove_labels()
        self.attempt(lambda: view.zoom_about(self.context, canvas_event.step, canvas_event.point))

    # Engine ---------------------------------------------------------------------------------------------

    def on_engine_event(self, message: EngineEvent) -> None:
        self._engine_events.handle(message.event)

    def on_engine_lost(self) -> None:
        self.window_status.end("the engine has ended")
        self.session.handle_lost_engine()
