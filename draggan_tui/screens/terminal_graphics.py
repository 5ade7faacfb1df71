"""Shows the image as a graphic as long as the terminal can, and as cells otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable

from draggan_tui.terminal.answer_parser import GraphicAnswered, TerminalAnswered
from draggan_tui.terminal.driver import TerminalDriver
from draggan_tui.terminal.graphics_sender import GraphicsSender
from draggan_tui.terminal.graphics_support import GraphicsSupport
from draggan_tui.terminal.start_questions import SUPPORT_TEST, graphics_question
from draggan_tui.terminal.textual_internals import AppBase
from draggan_tui.widgets.canvas import Canvas

ASK_AGAIN_SECONDS = (1.0, 2.0, 4.0)
"""How long to wait for an answer through tmux: it drops what is passed on before a client shows the pane."""


class TerminalGraphics:
    """
    Args:
        support: whether the terminal may show graphics.
        canvas: returns where the image is shown; None before the editor is open.
        report: shows an error.
    """

    def __init__(
        self, app: AppBase, support: GraphicsSupport, canvas: Callable[[], Canvas | None], report: Callable[[str], None]
    ) -> None:
        self._app, self._support, self._canvas, self._report = app, support, canvas, report
        self._is_answered = False
        self._sender: GraphicsSender | None = None

    @property
    def _driver(self) -> TerminalDriver | None:
        """The driver, if the terminal may be written to."""
        driver = self._app.terminal_driver
        return driver if isinstance(driver, TerminalDriver) and driver.is_writing else None

    def start(self) -> None:
        """Ask the terminal around tmux again until it has answered; any other one is asked once, by the driver."""
        if self._support.worth_asking and self._support.in_tmux:
            self._ask_again(ASK_AGAIN_SECONDS)

    def show(self) -> None:
        """Show graphics in the canvas, which is there now, if the terminal takes them."""
        self._use(self._sender)

    def redraw(self) -> None:
        """Send the graphic again: the terminal may have lost it."""
        if self._sender is not None:
            self.end()
            self._begin()

    def end(self) -> None:
        """Show cells only, and remove the graphics from the terminal."""
        sender, self._sender = self._sender, None
        if sender is None:
            return
        self._use(None)
        last_sequences = sender.stop()
        if self._driver is not None:
            self._driver.end_graphics(last_sequences)

    # Answers --------------------------------------------------------------------------------------------

    def terminal_answered(self, answer: TerminalAnswered) -> None:
        """Begin, or end, as the answer says. The terminal may be another one than before."""
        self.end()
        if answer.shows_graphics:
            self._begin()

    def graphic_answered(self, answer: GraphicAnswered) -> None:
        """Take the answer to a graphic, or a late one to the question whether the terminal takes graphics."""
        if self._sender is not None:
            self._sender.answered(answer.number, answer.problem)
        elif answer.number == SUPPORT_TEST and not answer.problem:
            self._begin()

    # ----------------------------------------------------------------------------------------------------

    def _ask_again(self, pauses: tuple[float, ...]) -> None:
        """Wait for the answer, and ask again as often as there are further pauses."""
        if not pauses:
            return

        def ask() -> None:
            if not self._is_answered and self._driver is not None:
                self._driver.write(graphics_question(in_tmux=True))
                self._ask_again(pauses[1:])

        self._app.set_timer(pauses[0], ask)

    def _begin(self) -> None:
        """Show graphics in the place of cells, from when the line has been measured, if the terminal has placeholders."""
        self._is_answered = True
        driver = self._driver
        if driver is None or not self._support.allows(self._app.terminal_version, os.environ):
            return
        self._sender = GraphicsSender(
            driver.write_graphic,
            lambda: driver.has_unwritten_graphic,
            driver.cell_pixels,
            call_when_painted=self._call_when_painted,
            changed=self._update,
            failed=self._fail,
            in_tmux=self._support.in_tmux,
        )
        driver.last_words = self._sender.stop
        self._use(self._sender)
        self._sender.start()

    def _call_when_painted(self, function: Callable[[], object]) -> None:
        self._app.call_after_refresh(lambda: self._app.call_when_painted(function))

    def _use(self, sender: GraphicsSender | None) -> None:
        canvas = self._canvas()
        if canvas is not None:
            canvas.use_graphics(sender)

    def _update(self) -> None:
        canvas = self._canvas()
        if canvas is not None:
            canvas.update_graphic()

    def _fail(self, reason: str) -> None:
        self.end()
        if self._support.is_chosen and self._canvas() is not None:
            self._report(f"the terminal cannot show graphics: {reason}")
