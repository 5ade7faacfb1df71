"""A photograph on its way into the editor: opened, aligned, inverted, and shown as a new revision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from draggan_engine.core.geometry import Size
from draggan_engine.core.inversion_choices import LOW_PSNR, AlignmentChoice
from draggan_engine.server.messages import Failed
from draggan_engine.server.photograph_messages import (
    InversionEnded,
    InversionMaskRead,
    InversionPreview,
    InversionProgress,
    OpenPhotograph,
    PhotographOpened,
    PhotographViewed,
)
from draggan_tui.client.advice import with_advice
from draggan_tui.editor.commands import photograph as photograph_commands
from draggan_tui.editor.commands.context import MessageKind
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.editor.modes import Inverting
from draggan_tui.editor.photograph import Photograph, PhotographStart, PhotographToOpen, PhotographViews
from draggan_tui.rendering.inversion_text import outcome_text

from .photograph_prompt import PhotographChoice, PhotographPrompt
from .question import Question

if TYPE_CHECKING:
    from .editor import EditorScreen

PhotographEvent = (
    PhotographOpened | PhotographViewed | InversionProgress | InversionPreview | InversionEnded | InversionMaskRead
)


class Photographs:
    """
    Args:
        screen: the editor's screen, which shows the dialogs and the photograph.

    Attributes:
        unfinished_path: the photograph whose inversion was interrupted in this session; empty if there is none.
    """

    def __init__(self, screen: EditorScreen) -> None:
        self._screen, self._state, self._context = screen, screen.state, screen.context
        self.unfinished_path = ""
        self._awaited: PhotographToOpen | None = None  # it is opened with the first model
        self._waiting_start: PhotographStart | None = None  # until the model of its session is loaded

    # Opening --------------------------------------------------------------------------------------------

    async def ask_for_path(self) -> None:
        """Ask for the path of a photograph."""
        photograph_prompt = PhotographPrompt(self._screen.engine, self.unfinished_path)
        await self._screen.app.push_screen(photograph_prompt, self._use)

    def open_with_model(self, photograph: PhotographToOpen) -> None:
        """Open a photograph as soon as the first model is loaded."""
        if photograph.alignment is None:
            self._awaited = photograph
        else:
            self._waiting_start = PhotographStart(photograph.path, photograph.alignment, photograph.search)

    def model_loaded(self) -> None:
        """Open or invert the photograph that has waited for the model, if there is one."""
        if self._awaited is not None:
            self._screen.engine.send(OpenPhotograph(path=str(self._awaited.path)))
            self._screen.report(f"reading {self._awaited.path.name} …")
        elif self._waiting_start is not None:
            start, self._waiting_start = self._waiting_start, None
            self._screen.attempt(lambda: self._context.inversion.start(start))

    def _opened(self, engine_answer: PhotographOpened | Failed) -> None:
        open_prompt, awaited = self._screen.app.screen, self._awaited
        if isinstance(open_prompt, PhotographPrompt):
            open_prompt.answer(engine_answer)
        elif isinstance(engine_answer, Failed):
            self._awaited = None
            self._screen.report(with_advice(engine_answer.message, engine_answer.remedy), "bad")
        elif awaited is not None and engine_answer.path == str(awaited.path):
            self._awaited = None
            self._screen.report("")
            self._use(PhotographChoice(engine_answer, awaited.search))

    def _use(self, choice: PhotographChoice | None) -> None:
        """Ask how the photograph is to be taken, where there is a choice; or let the user set two points."""
        if choice is None:
            return
        opened, search = choice.opened, choice.search
        path, size = Path(opened.path), Size(opened.width, opened.height)
        photograph = Photograph(path, size, opened.image.to_array(), search)
        model_size = self._state.image_size
        if opened.unfinished_step is not None:
            question_text = f"The inversion of {path.name} was interrupted after step {opened.unfinished_step}."
            self._ask(question_text, "go on with it", PhotographStart(path, None), "align it anew", photograph)
        elif size.width * model_size.height == size.height * model_size.width:
            fit = "size" if size == model_size else "aspect ratio"
            whole = PhotographStart(path, AlignmentChoice(how="whole"), search)
            self._ask(
                f"{path.name} has the {fit} of the model's images. Is everything in it where the model has it?",
                "yes: take it as it is", whole, "no: align it by two points", photograph,
            )  # fmt: skip
        else:
            self._align(photograph)

    def _ask(
        self, question_text: str, yes_text: str, start: PhotographStart, no_text: str, photograph: Photograph
    ) -> None:
        """Ask whether to invert the photograph at once, or to set two points in it."""

        def use(answer: str | None) -> None:
            if answer == "start":
                self._screen.attempt(lambda: self.invert(start))
            elif answer == "align":
                self._align(photograph)

        answers_by_key = {"y": ("start", yes_text), "n": ("align", no_text)}
        self._screen.app.push_screen(Question(question_text, answers_by_key), use)

    def _align(self, photograph: Photograph) -> None:
        self._screen.attempt(lambda: photograph_commands.align(self._context, photograph))

    # Inversion ------------------------------------------------------------------------------------------

    def invert(self, start: PhotographStart) -> None:
        """Have the engine invert a photograph; if the session has a latent already, begin another one for it.

        Raises:
            EditError: there is no engine, or the edit cannot be changed now.
        """
        self._context.check_engine()
        self._state.check_can_edit()
        if self._state.starts_from_file:
            self._waiting_start = start
            self._screen.run_worker(self._begin_session())
        else:
            self._context.inversion.start(start)

    async def _begin_session(self) -> None:
        """Begin a session of the same model."""
        session, edit = self._screen.session, self._state.edit
        if not await session.change_model(self._screen.engine.options.model, edit.model):
            self.forget_start()

    def forget_start(self) -> None:
        """Do not invert the photograph that waits for its session: there is none."""
        self._waiting_start = None

    # Events ---------------------------------------------------------------------------------------------

    def handle(self, event: PhotographEvent | Failed) -> None:
        """Bring the state up to date with an event of the engine about photographs, and show it."""
        match event:
            case PhotographOpened() | Failed(task="open_photograph"):
                self._opened(event)
            case InversionProgress():
                self._context.inversion.take_progress(event)
                self._screen.window_status.show_progress(event.step / event.step_count)
                self._screen.panels.status_line.clear()
                self._screen.show_state()
            case PhotographViewed():
                self._view(event)
            case InversionPreview():
                self._preview(event)
            case InversionEnded():
                self._ended(event)
            case InversionMaskRead():
                self._screen.attempt(lambda: photograph_commands.use_mask(self._context, event.mask))
            case Failed(task="view_photograph" | "read_inversion_mask"):
                self._screen.report(with_advice(event.message, event.remedy), "bad")
            case Failed():
                self._context.inversion.end(None)
                self._screen.sync()
                problem = with_advice(event.message, event.remedy)
                self._screen.report(problem, "bad")
                self._screen.window_status.end(problem)

    def _view(self, event: PhotographViewed) -> None:
        pasted = Photograph(Path(), Size(event.width, event.height), event.pasted.to_array())
        views = PhotographViews(event.aligned.to_array(), event.inversion.to_array(), pasted)
        self._screen.attempt(lambda: photograph_commands.show(self._context, views))

    def _preview(self, event: InversionPreview) -> None:
        if self._state.is_inverting:
            self._context.images.latest = event.image.to_array()
            self._screen.panels.pause_spinner()
            self._screen.show_state()

    def _ended(self, event: InversionEnded) -> None:
        mode = self._state.mode
        name = mode.path.name if isinstance(mode, Inverting) else "the photograph"
        if event.revision is not None:
            self.unfinished_path = ""
            self._state.file_latent = FileLatent(name, is_inversion=True)
            if event.image is not None:
                self._context.images.cache.put(event.revision.edit.source, event.image.to_array())
        self._context.inversion.end(event.revision)
        self._screen.sync()
        is_low = event.psnr is not None and event.psnr < LOW_PSNR
        message_kind: MessageKind = "warning" if is_low else "good" if event.reason == "finished" else "plain"
        inversion_outcome = event.problem or outcome_text(name, event)
        self._screen.report(inversion_outcome, "bad" if event.problem else message_kind)
        self._screen.window_status.end(inversion_outcome)
