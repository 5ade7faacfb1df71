"""The application: its look, its screen, its engine, and how it ends.

Its first frame says what is being opened. What the editor needs, numpy and pydantic and its own screens, takes as long to
from draggan_engine.core.latent_ref import LatentRef
import as Textual, and is imported behind that frame.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App, ComposeResult
from textual.events import Event, Key
from textual.filter import LineFilter

from draggan_engine.storage.session_lock import remove_stale_lock
from draggan_tui.config import paths
from draggan_tui.rendering.loading_text import model_label
from draggan_tui.rendering.palette_filter import palette_filter
from draggan_tui.terminal.color_answers import ANSWER_TIME, ColorsAnswered
from draggan_tui.terminal.color_depth import ColorDepth, ColorGuess
from draggan_tui.terminal.driver import AskingDriver, TerminalDriver
from draggan_tui.terminal.textual_internals import AppBase, set_color_depth
from draggan_tui.widgets.splash import Splash

if TYPE_CHECKING:
    from textual.actions import ActionParseResult
    from textual.dom import DOMNode

    from draggan_tui.client.engine_client import EngineClient
    from draggan_tui.client.engine_process import EngineProcess
    from draggan_tui.config.themes import EditorTheme
    from draggan_tui.editor.state import ResumedSession
    from draggan_tui.screens.editor import EditorScreen
    from draggan_tui.screens.editor_session import LeaveEditor, ThemeChosen

FEW_COLORS = "16 colours, as far as the terminal says; --color 256 or truecolor for more"


@dataclass(frozen=True)
class Options:
    """What the command line asked for, and where it is silent, the configuration."""

    model: str
    seed: int
    psi: float | None
    label: int
    latent: Path | None
    device: str
    out: Path | None
    theme: EditorTheme
    taken_up: ResumedSession | None = None
    directory_problem: str = ""  # why the session could not be written in its directory
    offered: ResumedSession | None = None  # one that was not closed: to go on with, if the user wants to
    keymap: Mapping[str, str] = field(default_factory=dict)  # what the user has changed: id → "key,key"
    color_guess: ColorGuess | None = None  # from the environment; None if the user chose how many colours
    engine: EngineProcess | None = None  # one that runs already, for the session that is opened


class DragganApp(AppBase):
    """The editor. `return_code` says how it ended: 0, or 128 + the signal.

    Args:
        opened: called when the editor is there.

    Attributes:
        editor, engine: there from then on.
    """

    TITLE = "draggan-tui"
    ENABLE_COMMAND_PALETTE = False

    editor: EditorScreen
    engine: EngineClient

    def __init__(self, options: Options, opened: Callable[[], object] = lambda: None) -> None:
        guess = options.color_guess
        super().__init__(driver_class=AskingDriver if guess is not None and guess.worth_asking else TerminalDriver)
        self.options = options
        self._opened = opened
        self._typed: list[Key] | None = []  # keys that came before the editor; none: it is there
        self._leaving = False
        self._opening = asyncio.Lock()  # held while a screen is being pushed, which the end must not interrupt
        self.farewell: str | None = None  # what to say on the terminal when the screen is gone
        self.saved_session: Path | None = None  # directory of the session that was changed, to be named then

    def compose(self) -> ComposeResult:
        earlier = self.options.taken_up
        yield Splash(model_label(self.options.model if earlier is None else earlier.model))

    def _open(self, earlier: ResumedSession | None) -> None:
        """The editor of an earlier session, or of a new one."""
        from draggan_engine.core.edit import Edit
        from draggan_engine.core.history import History
        from draggan_engine.core.latent_ref import LatentRef
        from draggan_tui.client.engine_client import EngineClient
        from draggan_tui.client.engine_process import EngineOptions
        from draggan_tui.editor.workspace import EditorState
        from draggan_tui.screens.editor import EditorScreen
        from draggan_tui.screens.editor_session import EngineLost, EngineSaid

        options = self.options
        self.engine = EngineClient(
            EngineOptions(options.model, options.device, options.out, options.latent)
            if earlier is None
            else EngineOptions(earlier.model, options.device),
            on_event=lambda event: self.editor.post_message(EngineSaid(event)),
            on_lost=lambda: self.editor.post_message(EngineLost()),
        )
        if earlier is None:
            edit = Edit(
                model=options.model,
                source=LatentRef(seed=options.seed, label=options.label, from_file=options.latent is not None),
            )
            state = EditorState(History.of(edit), options.psi)
        else:
            state = EditorState(earlier.history, None, taken_up=True)
        self.editor = EditorScreen(state, self.engine, self._depth())
        if earlier is not None:
            self.editor.folder = str(earlier.folder)
        if earlier is options.taken_up:
            self.editor.directory_problem = options.directory_problem

    # Colours ------------------------------------------------------------------------------------------

    def _depth(self) -> ColorDepth:
        """How many colours the terminal takes."""
        if self.no_color:
            return "none"
        depths: dict[str | None, ColorDepth] = {"truecolor": "truecolor", "256": "256", "standard": "16"}
        return depths.get(self.console.color_system, "none")

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters, depth = super().get_line_filters(), self._depth()
        return [*filters, palette_filter(depth)] if depth in ("256", "16") else filters

    def on_theme_chosen(self, event: ThemeChosen) -> None:
        self._use_theme(event.theme)

    def _use_theme(self, theme: EditorTheme) -> None:
        self._editor_theme = theme
        textual_theme = theme.to_textual(self._depth())
        self.register_theme(textual_theme)
        self.set_reactive(App.theme, textual_theme.name)
        self.mutate_reactive(App.theme)  # also where a theme of that name is in use, and looks otherwise

    def on_colors_answered(self, event: ColorsAnswered) -> None:
        guess = self.options.color_guess
        if guess is None:
            return
        depth = "truecolor" if event.truecolor else guess.depth
        if depth != self._depth():
            set_color_depth(self.console, depth)
            self._use_theme(self._editor_theme)
            if self._typed is None:
                self.editor.use_depth(depth)
                self.editor.withdraw(FEW_COLORS)

    def _mention_few_colors(self) -> None:
        """Say once that the terminal seems to have few colours, and how to get more."""
        if self._depth() == "16":
            self.editor.say(FEW_COLORS)

    # Beginning and end --------------------------------------------------------------------------------

    def on_load(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: self._signalled(loop, number))
        # Before there is a screen, whose styles would have to be found anew.
        self._use_theme(self.options.theme)
        self.set_keymap(self.options.keymap)

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        self.call_after_refresh(self._begin)

    async def _begin(self) -> None:
        """Opens the editor, or asks first whether to go on with a session that was not closed."""
        async with self._opening:
            if self._leaving:
                return
            self._open(self.options.taken_up)
            if self.options.offered is None:
                await self._start(self.options.engine)
            else:
                await self._ask_about(self.options.offered)
        typed, self._typed = self._typed or [], None
        for key in typed:
            await self.on_event(key)
        self._opened()

    async def _ask_about(self, offered: ResumedSession) -> None:
        from draggan_tui.screens.question import Question

        text = f"The session in {offered.folder} was not closed. Everything that was saved is still there."
        answers = {
            "y": ("on", "go on with it"),
            "n": ("new", "begin a new one"),
            "escape": ("later", "begin a new one and ask again next time"),
            "q": ("leave", "quit and ask again next time"),
        }
        await self.push_screen(Question(text, answers), self._answer_offer)

    async def _answer_offer(self, answer: str | None) -> None:
        offered = self.options.offered
        assert offered is not None, "it was asked about"
        if answer == "leave" or answer is None:
            await self.leave(0)
            return
        if answer == "on":
            self._open(offered)
        elif answer == "new":
            remove_stale_lock(offered.folder)
        async with self._opening:
            if not self._leaving:
                await self._start(None)

    @property
    def _editing(self) -> bool:
        """Whether the editor has been opened: before that there is nothing to lose."""
        return self._typed is None and self.editor.is_running

    async def _start(self, running: EngineProcess | None) -> None:
        await self.push_screen(self.editor)
        if (guess := self.options.color_guess) is not None:
            if guess.worth_asking:
                self.set_timer(ANSWER_TIME, self._mention_few_colors)
            else:  # not a timer of no time, by which Textual divides when it stops it
                self.call_later(self._mention_few_colors)
        await self.engine.start(resume=self.editor.folder, running=running)

    async def on_event(self, event: Event) -> None:
        if self._typed is not None and isinstance(event, Key):
            self._typed.append(event)
        elif self.screen_stack or not isinstance(event, Key):  # without a screen the app is ending
            await super().on_event(event)

    def _signalled(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        # A plain handler, because it also runs while the loop is stuck in a write to a terminal that is gone.
        try:
            termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]
        except (termios.error, OSError, ValueError):
            # There is nothing to restore, and Textual would wait for its writes forever. Edits are already on
            # their way, and an engine without a client writes its drag and ends.
            os._exit(128 + number)
        loop.call_soon_threadsafe(lambda: self.run_worker(self.leave(128 + number)))

    def report_fatal_error(self) -> None:
        """Write the traceback to the log: Textual would print it over the terminal."""
        where = paths.log_traceback()
        self.farewell = f"unexpected error, details in {where}; what was saved is on disk"

    async def on_key(self, event: Key) -> None:
        if self.editor.passed_on(event) and self.screen is not self.editor:
            # Typed ahead: it went to the editor before what has opened over it was there, and belongs to that.
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
        # Textual binds this to Ctrl-q in every screen; it must not pass by what is unsaved.
        if self._editing:
            await self.editor.action_leave()
        else:
            await self.leave(0)

    def action_suspend_process(self) -> None:
        # The whole group, as a terminal does it: `make run` stops too.
        if isinstance(self.terminal_driver, TerminalDriver):
            os.killpg(os.getpgrp(), signal.SIGTSTP)

    def action_redraw(self) -> None:
        """Paint everything, also over what another program has written."""
        if isinstance(self.terminal_driver, TerminalDriver):
            self.terminal_driver.clear()
        self.screen.refresh(layout=True)

    async def on_leave_editor(self, event: LeaveEditor) -> None:
        await self.leave(event.return_code, event.message)

    async def leave(self, return_code: int, message: str | None = None) -> None:
        """Lets the engine write what there is, then ends."""
        if self._leaving:
            return
        self._leaving = True
        async with self._opening:
            pass
        if self._editing:
            self.editor.say("finishing …")
            await self.engine.close()
            self.saved_session = self.editor.saved_session
        self.farewell = message
        self.exit(return_code=return_code)
