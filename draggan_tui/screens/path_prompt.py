"""Asks for the path of a file; Tab completes it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from draggan_tui.widgets.line import Line

from .dialog import Dialog
from .dialogs import Question

NAMES_SHOWN = 12

Result = TypeVar("Result")


def complete(text: str) -> tuple[str, list[str]]:
    """What can be added to a path without choosing, and the names that it then can go on with; folders end in "/".

    Hidden files come only where a dot asks for them.
    """
    folder, slash, start = text.rpartition("/")
    if text == "~" or start == "..":
        return f"{text}/", []
    try:
        with os.scandir(Path(folder + slash).expanduser()) as found:
            names = sorted(
                entry.name + ("/" if entry.is_dir() else "")
                for entry in found
                if entry.name.startswith(start) and (start or not entry.name.startswith("."))
            )
    except (OSError, RuntimeError, ValueError):
        return text, []
    common = os.path.commonprefix(names)  # noqa: RUF071 (of characters)
    return (folder + slash + common, names) if names else (text, [])


class PathPrompt(Dialog[Result | None]):
    """A line to type a path into; what is done with it is said by `chosen`. Escape gives None.

    Relative paths are relative to where the editor was started; `~` is the home.

    Args:
        title: what the path is for.
        endings: of the name of a file to write; one without gets the first, and an existing file is asked about. None:
            the file is to be read.
    """

    DEFAULT_CSS = """
    PathPrompt { align: center middle; }
    PathPrompt > Vertical { width: 66; max-width: 96%; height: auto; padding: 0 2; background: $surface; border: round $primary; }
    PathPrompt #problem { color: $text-error; height: auto; }
    PathPrompt #names { color: $text-muted; height: auto; max-height: 6; }
    PathPrompt #hint { color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]

    def __init__(self, title: str, endings: Sequence[str] = ()) -> None:
        super().__init__()
        self._title, self.endings = title, endings

    def chosen(self, path: Path) -> None:
        """A path was given: dismiss the prompt with a result, or `refuse` the path, now or later."""
        raise NotImplementedError

    def about(self) -> ComposeResult:
        """What stands below the line."""
        yield from ()

    def refuse(self, problem: str) -> None:
        """Says what is wrong with the path, in one line, and stays."""
        self.query_one("#names", Static).update("")
        self.query_one("#problem", Static).update(problem)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._title
            yield Line({"tab": self._complete, "enter": self._take})
            yield from self.about()
            yield Static("", id="names", markup=False)
            yield Static("", id="problem", markup=False)
            yield Static("Enter takes it   Tab completes   Escape leaves", id="hint", markup=False)

    def on_mount(self) -> None:
        self.watch(self.query_one(Line), "value", lambda: self.refuse(""))

    def _complete(self) -> None:
        line = self.query_one(Line)
        line.value, names = complete(line.value)
        line.cursor_position = len(line.value)
        shown = names[:NAMES_SHOWN] if len(names) > 1 else []
        more = f"  … {len(names) - len(shown)} more" if len(names) > NAMES_SHOWN else ""
        self.query_one("#names", Static).update("  ".join(shown) + more)

    def _take(self) -> None:
        text = self.query_one(Line).value.strip()
        try:
            path = Path(text).expanduser()
        except RuntimeError:
            self.refuse(f"{text}: there is no such user; give another path")
            return
        if text and self.endings:
            self._to_write(path, text.endswith("/"))
        elif text:
            self.chosen(path)

    def _to_write(self, path: Path, folder: bool) -> None:
        if folder or path.is_dir():
            self.refuse(f"{path} is a folder: name a file in it")
            return
        path = path if path.suffix else path.with_name(path.name + self.endings[0])
        if path.suffix.lower() not in self.endings:
            self.refuse(f"{path.name}: the name must end in {' or '.join(self.endings)}")
        elif path.exists():
            answers = {"y": ("replace", "replace it"), "n": ("", "keep it")}
            self.app.push_screen(
                Question(f"{path} is there already.", answers), lambda answer: self.chosen(path) if answer else None
            )
        else:
            self.chosen(path)
