"""The application: its themes, the editor's screen and the engine, and how it ends.

The first frame names the model that is being opened. The modules that the editor needs (numpy, pydantic and its own
screens) take as long to import as Textual, so they are imported after that frame.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App, ComposeResult
from textual.events import Event, Key
from textual.filter import LineFilter

from draggan_engine import MOST_PREVIEWS_PER_SECOND
from draggan_engine.storage.session_lock import remove_stale_lock
from draggan_tui.config import paths
from draggan_tui.rendering.loading_text import model_label
from draggan_tui.rendering.palette_filter import palette_filter
from draggan_tui.terminal.answer_parser import ANSWER_TIME, GraphicAnswered, TerminalAnswered
from draggan_tui.terminal.cell_shape import cell_shape_of, guess_cell_shape
from draggan_tui.terminal.color_depth import ColorDepth, ColorGuess
from draggan_tui.terminal.driver import TerminalDriver
from draggan_tui.terminal.graphics_support import NO_GRAPHICS, GraphicsSupport
from draggan_tui.terminal.start_questions import start_questions
from draggan_tui.terminal.textual_internals import AppBase, set_color_depth
from draggan_tui.widgets.splash import Splash

if TYPE_CHECKING:
    from textual.actions import ActionParseResult
    from textual.dom import DOMNode

    from draggan_tui.client.engine_client import EngineClient
    from draggan_tui.client.engine_process import EngineProcess
    from draggan_tui.config.themes import EditorTheme
    from draggan_tui.editor.photograph import PhotographToOpen
    from draggan_tui.editor.state import ResumedSession
    from draggan_tui.screens.editor import EditorScreen
    from draggan_tui.screens.editor_messages import LeaveEditor, ThemeChosen
    from draggan_tui.screens.terminal_graphics import TerminalGraphics
    from draggan_tui.terminal.cell_shape import CellShape

FEW_COLORS = "16 colours, as far as the terminal says; --color 256 or truecolor for more"


@dataclass(frozen=True)
class Options:
    """The options of the command line, completed from the configuration.

    Attributes:
        resumed_session: the session to continue.
        directory_problem: why that session cannot be written to its directory; empty if it can.
        unclosed_session: a session that was not closed, which the user is asked about.
        photograph: a photograph to open in a new session.
        keymap: the bindings that the user has changed: their ids and the keys, separated by commas.
        color_guess: how many colours the terminal seems to have. None: the user chose their number.
        cell_shape: how the cells of images are divided. None: as finely as is safe in the terminal.
        fps: how many images of a drag are shown in a second at most.
        graphics: whether the terminal may show graphics in the place of cells.
        engine: an engine that already runs for the session that is opened.
    """

    model: str
    seed: int
    psi: float | None
    label: int
    latent: Path | None
    device: str
    out: Path | None
    theme: EditorTheme
    resumed_session: ResumedSession | None = None
    directory_problem: str = ""
    unclosed_session: ResumedSession | None = None
    photograph: PhotographToOpen | None = None
    keymap: Mapping[str, str] = field(default_factory=dict)
    color_guess: ColorGuess | None = None
    cell_shape: CellShape | None = "half"
    fps: int = MOST_PREVIEWS_PER_SECOND
    graphics: GraphicsSupport = NO_GRAPHICS
    engine: EngineProcess | None = None


class DragganApp(AppBase):
    """The application. Its `return_code` is 0, or 128 plus the number of the signal that ended it.

    Args:
        opened: called when the editor is open.

    Attributes:
        editor, engine: they exist once the editor is open.
        farewell: what to print on the terminal after the application has ended.
        saved_session: directory of the session, if this run has changed it.
    """

    TITLE = "draggan-tui"
    ENABLE_COMMAND_PALETTE = False

    editor: EditorScreen
    engine: EngineClient

    def __init__(self, options: Options, opened: Callable[[], object] = lambda: None) -> None:
        super().__init__(driver_class=TerminalDriver)
        self.options = options
        self.start_questions = start_questions(
            about_colors=options.color_guess is not None and options.color_guess.worth_asking,
            about_graphics=options.graphics.worth_asking,
            in_tmux=options.graphics.in_tmux,
        )
        self._call_when_open = opened
        self._early_keys: list[Key] | None = []  # keys that were typed before the editor was open; None: it is open
        self._is_leaving = False
        self._screen_lock = asyncio.Lock()  # held while a screen is being pushed, which the end must not interrupt
        self.farewell: str | None = None
        self.saved_session: Path | None = None

    def compose(self) -> ComposeResult:
        resumed_session = self.options.resumed_session
        yield Splash(model_label(self.options.model if resumed_session is None else resumed_session.model))

    def _open(self, resumed_session: ResumedSession | None) -> None:
        """Create the editor for an earlier session, or for a new one."""
        from draggan_engine.core.edit import Edit
        from draggan_engine.core.latent_ref import LatentRef
        from draggan_tui.client.engine_client import EngineClient
        from draggan_tui.client.engine_process import EngineOptions
        from draggan_tui.editor.state import EditorState
        from draggan_tui.rendering.screen_image import ScreenImage
        from draggan_tui.screens.editor import EditorScreen
        from draggan_tui.screens.editor_messages import EngineEvent, EngineLost

        options = self.options
        if isinstance(self.terminal_driver, TerminalDriver):
            self.terminal_driver.use_screen_image(ScreenImage())
        self.engine = EngineClient(
            EngineOptions(options.model, options.device, options.out, options.latent)
            if resumed_session is None
            else EngineOptions(resumed_session.model, options.device),
            on_event=lambda event: self.editor.post_message(EngineEvent(event)),
            on_lost=lambda: self.editor.post_message(EngineLost()),
        )
        if resumed_session is None:
            first_edit = Edit(
                model=options.model,
                source=LatentRef(seed=options.seed, label=options.label, from_file=options.latent is not None),
            )
            editor_state = EditorState.new(first_edit, options.psi)
        else:
            editor_state = EditorState.resuming(resumed_session.edit)
        self.editor = EditorScreen(editor_state, self.engine, self.color_depth, self._cell_shape, options.fps)
        if resumed_session is not None:
            self.editor.context.sync.directory = resumed_session.directory
        elif options.photograph is not None:
            self.editor.photographs.open_with_model(options.photograph)
        if resumed_session is options.resumed_session:
            self.editor.context.sync.save_problem = options.directory_problem

    # Colours ------------------------------------------------------------------------------------------

    @property
    def color_depth(self) -> ColorDepth:
        """How many colours the terminal takes."""
        if self.no_color:
            return "none"
        depths_by_system: dict[str | None, ColorDepth] = {"truecolor": "truecolor", "256": "256", "standard": "16"}
        return depths_by_system.get(self.console.color_system, "none")

    def get_line_filters(self) -> Sequence[LineFilter]:
        line_filters, color_depth = super().get_line_filters(), self.color_depth
        return [*line_filters, palette_filter(color_depth)] if color_depth in ("256", "16") else line_filters

    def on_theme_chosen(self, event: ThemeChosen) -> None:
        self._use_theme(event.theme)

    def _use_theme(self, theme: EditorTheme) -> None:
        self._editor_theme = theme
        textual_theme = theme.to_textual(self.color_depth)
        self.register_theme(textual_theme)
        self.set_reactive(App.theme, textual_theme.name)
        self.mutate_reactive(App.theme)  # for a theme that has the name of the present one and other colours

    def on_terminal_answered(self, event: TerminalAnswered) -> None:
        self.terminal_version = event.version
        self._use_colors(event.truecolor)
        if self._is_editing and self.editor.panels.shape == guess_cell_shape(os.environ):  # or the user has changed it
            self.editor.panels.use_shape(self._cell_shape)
        self._graphics.terminal_answered(event)

    @property
    def _cell_shape(self) -> CellShape:
        """How the cells of images are divided, as long as the user does not change it in the editor."""
        shape_of_name, shape_of_version = guess_cell_shape(os.environ), cell_shape_of(self.terminal_version)
        return self.options.cell_shape or (shape_of_name if shape_of_version == "half" else shape_of_version)

    def _use_colors(self, is_truecolor: bool) -> None:
        color_guess = self.options.color_guess
        if color_guess is None:
            return
        color_depth: ColorDepth = "truecolor" if is_truecolor else color_guess.depth
        if color_depth != self.color_depth:
            set_color_depth(self.console, color_depth)
            self._use_theme(self._editor_theme)
            if self._early_keys is None:
                self.editor.panels.use_depth(color_depth)
                self.editor.panels.withdraw(FEW_COLORS)

    def _mention_few_colors(self) -> None:
        """Tell the user that the terminal seems to have few colours, and how to get more."""
        if self.color_depth == "16":
            self.editor.report(FEW_COLORS)

    # Graphics -----------------------------------------------------------------------------------------

    @cached_property
    def _graphics(self) -> TerminalGraphics:
        from draggan_tui.screens.terminal_graphics import TerminalGraphics

        return TerminalGraphics(
            self,
            self.options.graphics,
            canvas=lambda: self.editor.panels.canvas if hasattr(self, "editor") and self.editor.is_running else None,
            report=lambda problem: self.editor.report(problem, "bad"),
        )

    def on_graphic_answered(self, event: GraphicAnswered) -> None:
        self._graphics.graphic_answered(event)

    # Beginning and end --------------------------------------------------------------------------------

    def on_load(self) -> None:
        event_loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(signal_number, lambda signal_number, _: self._signalled(event_loop, signal_number))
        # Before the first screen, whose styles would otherwise be computed twice.
        self._use_theme(self.options.theme)
        self.set_keymap(self.options.keymap)

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, lambda _: self._resume())
        self.call_after_refresh(self.open_editor)

    def _resume(self) -> None:
        """Paint everything. The terminal may be another one now, and is asked again whether it shows graphics."""
        self._graphics.end()
        if self._is_editing:
            self.editor.window_status.show_again()
        self.action_redraw()

    async def open_editor(self) -> None:
        """Open the editor; first ask about a session that was not closed, if there is one."""
        async with self._screen_lock:
            if self._is_leaving:
                return
            self._open(self.options.resumed_session)
            if self.options.unclosed_session is None:
                await self._start(self.options.engine)
            else:
                await self._ask_about(self.options.unclosed_session)
        early_keys, self._early_keys = self._early_keys or [], None
        for early_key in early_keys:
            await self.on_event(early_key)
        self._call_when_open()

    async def _ask_about(self, unclosed_session: ResumedSession) -> None:
        from draggan_tui.screens.question import Question

        question_text = (
            f"The session in {unclosed_session.directory} was not closed. Everything that was saved is still there."
        )
        answer_keys = {
            "y": ("continue", "go on with it"),
            "n": ("new", "begin a new one"),
            "escape": ("later", "begin a new one and ask again next time"),
            "q": ("leave", "quit and ask again next time"),
        }
        await self.push_screen(Question(question_text, answer_keys), self._answer_offer)

    async def _answer_offer(self, answer: str | None) -> None:
        unclosed_session = self.options.unclosed_session
        assert unclosed_session is not None, "the question was about it"
        if answer == "leave" or answer is None:
            await self.leave(0)
            return
        if answer == "continue":
            self._open(unclosed_session)
        elif answer == "new":
            remove_stale_lock(unclosed_session.directory)
        async with self._screen_lock:
            if not self._is_leaving:
                await self._start(None)

    @property
    def _is_editing(self) -> bool:
        """Whether the editor is open; before that there is nothing to lose."""
        return self._early_keys is None and self.editor.is_running

    async def _start(self, running_engine: EngineProcess | None) -> None:
        await self.push_screen(self.editor)
        self._graphics.show()
        if (color_guess := self.options.color_guess) is not None:
            if color_guess.worth_asking:
                self.set_timer(ANSWER_TIME, self._mention_few_colors)
            else:  # a timer of 0 seconds makes Textual divide by zero
                self.call_later(self._mention_few_colors)
        session_directory = self.editor.context.sync.directory
        await self.engine.start(
            resume=None if session_directory is None else str(session_directory), running=running_engine
        )

    async def on_event(self, event: Event) -> None:
        if self._early_keys is not None and isinstance(event, Key):
            self._early_keys.append(event)
        elif self.screen_stack or not isinstance(event, Key):  # without a screen the application is ending
            await super().on_event(event)

    def _signalled(self, event_loop: asyncio.AbstractEventLoop, signal_number: int) -> None:
        # A handler of the signal module, because that also runs while the loop waits for a terminal that is gone.
        try:
            termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]
        except (termios.error, OSError, ValueError):
            # The terminal is gone, and Textual would wait forever to write to it. All edits have been sent to the
            # engine, which writes its drag and ends when its client is gone.
            os._exit(128 + signal_number)
        event_loop.call_soon_threadsafe(lambda: self.run_worker(self.leave(128 + signal_number)))

    def report_fatal_error(self) -> None:
        """Write the traceback to the log: Textual would print it over the terminal."""
        log_path = paths.log_traceback()
        self.farewell = f"unexpected error, details in {log_path}; what was saved is on disk"

    async def on_key(self, event: Key) -> None:
        if self.editor.has_passed(event) and self.screen is not self.editor:
            # The key was typed ahead, for the dialog that an earlier key has opened meanwhile.
            event.prevent_default()
            await self.on_event(Key(event.key, event.character))

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        if default_namespace is not None and default_namespace is getattr(self, "editor", None):
            self.editor.begin_command()
        return await super().run_action(action, default_namespace, namespaces)

    async def action_quit(self) -> None:
        # Textual binds this to Ctrl-Q on every screen; unsaved changes must not be lost.
        if self._is_editing:
            await self.editor.session.leave()
        else:
            await self.leave(0)

    def action_suspend_process(self) -> None:
        # The whole process group, as the terminal does it, so that `make run` is suspended too.
        if isinstance(self.terminal_driver, TerminalDriver):
            os.killpg(os.getpgrp(), signal.SIGTSTP)

    def action_redraw(self) -> None:
        """Paint the whole screen again, over what other programs have written on it."""
        if isinstance(self.terminal_driver, TerminalDriver):
            self.terminal_driver.clear()
        self._graphics.redraw()
        self.screen.refresh(layout=True)

    async def on_leave_editor(self, event: LeaveEditor) -> None:
        await self.leave(event.return_code, event.message)

    async def leave(self, return_code: int, message: str | None = None) -> None:
        """Let the engine write what it has, then end the application."""
        if self._is_leaving:
            return
        self._is_leaving = True
        async with self._screen_lock:
            pass
        if self._is_editing:
            self.editor.report("finishing …")
            await self.engine.close()
            self.saved_session = self.editor.context.sync.saved_directory
        self.farewell = message
        self.exit(return_code=return_code)
