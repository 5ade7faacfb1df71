"""What happens to the session as a whole: another model, another directory, a lost engine, and leaving."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from draggan_engine.core.errors import EditError
from draggan_engine.storage.output_paths import DEFAULT_OUTPUT_DIRECTORY, session_name
from draggan_tui.config.paths import short_path
from draggan_tui.editor.commands.context import ENGINE_MISSING
from draggan_tui.editor.modes import LoadingModel

from .directory_prompt import DirectoryPrompt, suggested_directory
from .editor_messages import LeaveEditor
from .key_names import with_keys
from .model_list import ModelList
from .model_pulls import ModelPulls
from .question import Question

if TYPE_CHECKING:
    from .editor import EditorScreen

SAVE_CHECKS, SECONDS_BETWEEN_CHECKS = 20, 0.05
"""How long the editor waits for the last changes to be saved before it asks."""


class EditorSession:
    """
    Args:
        screen: the editor's screen, which shows the dialogs.
    """

    def __init__(self, screen: EditorScreen) -> None:
        self._screen = screen
        self._state, self._sync, self._engine = screen.state, screen.context.sync, screen.engine
        self.pulls = ModelPulls(screen.engine.send)

    # Directory ------------------------------------------------------------------------------------------

    def offer_directory(self) -> None:
        """Let the user choose another directory for a session that cannot be written where it is."""
        if self._screen.app.screen is not self._screen or self._state.is_dragging:
            return
        edit = self._state.edit
        default_directory = self._engine.options.out or DEFAULT_OUTPUT_DIRECTORY / session_name(edit.model, edit)
        suggestion = suggested_directory(self._sync.directory or default_directory)
        directory_prompt = DirectoryPrompt(self._engine, self._sync.save_problem, suggestion)
        self._screen.app.push_screen(directory_prompt, self.use_directory)

    def use_directory(self, directory: str | None) -> None:
        """Save the session in another directory from now on; None: the user declined."""
        if directory is None:
            self._sync.keeps_directory = True
            self._screen.report(self._sync.save_problem, "bad")
            return
        self._sync.save_problem, self._sync.keeps_directory = "", False
        self._engine.write_to(Path(directory))
        if self._sync.directory is not None:
            self._sync.directory = self._sync.saved_directory = Path(directory)
        self._sync.send_all_again()
        self._screen.report(f"this session is saved in {short_path(Path(directory))} from now on", "good")
        self._screen.sync()

    # Models ---------------------------------------------------------------------------------------------

    async def change_model(self, model_spec: str, model_name: str) -> bool:
        """Load another model, once this session is completely on disk; return whether the engine was asked for it.

        Args:
            model_spec: the model's name or path.
            model_name: what the model is called in messages.
        """
        try:
            self._state.start_loading(model_name)
        except EditError as edit_error:
            self.refuse_model(with_keys(self._screen.app, str(edit_error)))
            return False
        self._screen.report(f"loading {model_name} …")
        if self._state.has_unsaved_changes:
            self._sync.send_all_again()  # the engine may have failed to write
            self._screen.sync()
        if self._state.has_unsaved_changes and not await self._is_saved_soon():
            self.stop_loading()
            problem_text = "the model stays, because the last changes are not on disk yet: {save} saves them"
            self.refuse_model(with_keys(self._screen.app, problem_text))
        elif self._engine.alive:
            self._engine.load_model(model_spec)
        self._screen.show_state()
        return isinstance(self._state.mode, LoadingModel)

    def stop_loading(self) -> None:
        """Do not wait for another model any longer."""
        self._state.stop_loading()
        self._screen.panels.load_progress = None

    def refuse_model(self, problem: str) -> None:
        """Report why another model cannot be opened, in the dialog that asked for it if that is still open."""
        open_dialog = self._screen.app.screen
        if isinstance(open_dialog, ModelList) and open_dialog.awaited_spec:
            open_dialog.refuse(problem)
            self._screen.report("")
        else:
            self._screen.report(problem, "bad")

    # Engine ---------------------------------------------------------------------------------------------

    async def restart_engine(self) -> None:
        """Start an engine with this session, unless there is one."""
        if self._engine.alive:
            self._screen.report("the engine is running")
            return
        self._state.engine_status = "starting"
        self._screen.report("starting the engine …")
        directory = self._sync.directory
        await self._engine.start(resume=None if directory is None else str(directory))
        self._sync.send_all_again()
        self._screen.sync()

    def handle_lost_engine(self) -> None:
        """End what the engine was doing, and ask what to do now."""
        context, panels = self._screen.context, self._screen.panels
        if self._state.is_dragging:
            panels.inspector.end_drag("interrupted")
        context.drag.end(None)
        context.inversion.end(None)
        self._screen.photographs.forget_start()
        context.trajectories.cancel()
        self.stop_loading()
        self.pulls.end()
        self._state.engine_status = "engine gone"
        self.refuse_model("the engine has ended unexpectedly")
        self._screen.show_state()
        question_text = "The engine has ended unexpectedly. Points, mask and the last finished image are kept."
        answers_by_key = {"r": ("restart", "restart it"), "q": ("leave", "quit"), "escape": ("", "go on without")}
        self._screen.app.push_screen(Question(question_text, answers_by_key), self._answer_lost_engine)

    async def _answer_lost_engine(self, answer: str | None) -> None:
        if answer == "restart":
            await self.restart_engine()
        elif answer == "leave":
            await self.leave()
        else:
            self._screen.report(ENGINE_MISSING, "bad")

    # Leaving --------------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Leave the editor; if the last changes are not on disk, ask first."""
        if not self._state.has_unsaved_changes or await self._is_saved_soon():
            self._screen.post_message(LeaveEditor())
            return
        answers_by_key = {"y": ("leave", "quit and lose them"), "n": ("", "stay")}
        if self._sync.save_problem and self._engine.alive:
            answers_by_key["d"] = ("directory", "save in another directory")
        self._screen.app.push_screen(Question("The last changes are not on disk.", answers_by_key), self._answer_leave)

    def _answer_leave(self, answer: str | None) -> None:
        if answer == "leave":
            self._screen.post_message(LeaveEditor())
        elif answer == "directory":
            self.offer_directory()

    async def _is_saved_soon(self) -> bool:
        """Wait until the engine has saved what it was sent last, for a second at most; return whether it has."""
        for _ in range(SAVE_CHECKS):
            if not self._state.has_unsaved_changes or not self._engine.alive:
                break
            await asyncio.sleep(SECONDS_BETWEEN_CHECKS)
        return not self._state.has_unsaved_changes
