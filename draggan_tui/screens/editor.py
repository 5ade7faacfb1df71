"""The editor: the session's screen with all its keys."""

from __future__ import annotations

from textual.events import Key

from draggan_engine.core.errors import EditError, ThemeError
from draggan_engine.core.model_info import ModelEntry
from draggan_engine.server.messages import Export, ExportFile, ListModels
from draggan_tui.client.engine_client import EngineClient
from draggan_tui.config import themes
from draggan_tui.editor.workspace import EditorState
from draggan_tui.keymap import BINDINGS
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.loading_text import model_label
from draggan_tui.rendering.model_list_text import is_open_model

from .command_palette import CommandPalette
from .drag_keys import DragKeys
from .editor_session import NO_ENGINE, ThemeChosen
from .export_prompt import ExportChoice, ExportPrompt
from .help_dialog import HelpDialog
from .history_keys import HistoryKeys
from .mask_keys import MaskKeys
from .model_list import ModelList
from .point_keys import PointKeys
from .view_keys import ViewKeys


class EditorScreen(ViewKeys, PointKeys, MaskKeys, DragKeys, HistoryKeys):
    """The session, with the keys that change it."""

    BINDINGS = BINDINGS

    def __init__(self, state: EditorState, engine: EngineClient, depth: ColorDepth) -> None:
        super().__init__(state, engine, depth)
        self._passed_on: list[Key] = []

    def on_key(self, event: Key) -> None:
        self._passed_on.append(event)  # on its way to the app, which looks its binding up

    def passed_on(self, event: Key) -> bool:
        """Whether a key that the app has to do something about came by way of the editor; asked once for each."""
        mine = any(event is key for key in self._passed_on)
        self._passed_on = [key for key in self._passed_on if key is not event]
        return mine

    def action_place(self) -> None:
        """Enter: lets go of what is led by hand, paints the shape that is being stretched, drops what is grabbed, or else
        places a point."""
        if self.state.lead is not None:
            self.let_go()
            return
        if self.state.shape is not None:
            self.finish_shape(True)
            return
        if self.state.grab is not None:
            self.drop()
            return

        def place() -> None:
            waiting = self.state.place()
            if waiting:
                self.say(f"handle {self.selected_number} is set: move to its target")
            else:
                self.say_target("is set")
            self.warn_about_pair(flat=waiting)

        self.attempt(place)

    def action_cancel(self) -> None:
        if self.state.lead is not None:
            self.let_go()
            return
        if self.pointer.busy:
            self.pointer.drop()
        elif cancelled := self.state.cancel():
            self.say(cancelled)
        else:
            self.end_hints()
        self.sync()

    def on_canvas_resized(self) -> None:
        self.sync()

    def action_reseed(self, step: int) -> None:
        if self.attempt(lambda: self.state.reseed(step)):
            self.say(f"seed {self.state.edit.source.seed}")

    def action_reclass(self, step: int) -> None:
        if self.attempt(lambda: self.state.reclass(step)):
            self.say(f"class {self.state.edit.source.label}")

    async def action_models(self) -> None:
        def check() -> None:
            self.state.at_rest()
            if not self.engine.alive or self.device == "starting":
                raise EditError("the engine is starting" if self.engine.alive else NO_ENGINE)

        if self.attempt(check):
            self.engine.send(ListModels())
            dialog = ModelList(self.engine.options.model, self.state.edit.model, self._load_typed)
            await self.app.push_screen(dialog, self._model_chosen)

    def _load_typed(self, spec: str) -> None:
        self.run_worker(self.change_model(spec, model_label(spec)))

    def _model_chosen(self, entry: ModelEntry | None) -> None:
        if entry is None:
            return
        if is_open_model(entry, self.engine.options.model):
            self.say(f"{entry.name} is open already")
        else:
            self.run_worker(self.change_model(entry.spec, entry.name))

    def action_save(self) -> None:
        def save() -> None:
            self.check_engine()
            self.stays_in_directory = False
            self.state.keep()
            self.sync()
            self.engine.send(Export(edit=self.state.edit))

        self.attempt(save, "saving …")

    async def action_export(self) -> None:
        def check() -> None:
            self.state.at_rest()
            self.check_engine()

        if self.attempt(check):
            await self.app.push_screen(ExportPrompt(self.state.edit, self.folder), self._export_chosen)

    def _export_chosen(self, choice: ExportChoice | None) -> None:
        if choice is not None:
            edit, path = self.state.edit, str(choice.path)
            self.engine.send(ExportFile(edit=edit, path=path, markers=choice.markers))
            self.say(f"exporting {choice.path.name} …")

    def action_help(self) -> None:
        self.attempt(lambda: self.app.push_screen(HelpDialog()))

    async def action_palette(self) -> None:
        await self.app.push_screen(CommandPalette(), self._command_chosen)

    async def _command_chosen(self, action: str | None) -> None:
        if action is not None:
            await self.run_action(action)

    def action_theme(self, name: str) -> None:
        """Another look, for this run."""
        try:
            theme = themes.load_theme(name)
        except ThemeError as error:
            self.say(str(error), "bad")
            return
        self.post_message(ThemeChosen(theme))
        self.say(f"theme {name} for this session; draggan-tui config edit keeps it for good")
