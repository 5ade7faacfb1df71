"""Base class of prompts for the path of a file; Tab completes the path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from draggan_engine.core.errors import StorageError
from draggan_engine.storage.output_paths import check_writable
from draggan_tui.widgets.dialog_box import DialogBox
from draggan_tui.widgets.text_field import TextField

from .dialog import Dialog
from .question import Question

NAMES_SHOWN = 12
NO_ENGINE_IN_PROMPT = "no engine: Esc closes this, then {restart-engine} restarts it"

DialogResult = TypeVar("DialogResult")


def complete_path(text: str) -> tuple[str, list[str]]:
    """Complete a path as far as it is unambiguous.

    Hidden files match only after a dot. Names with characters that no terminal can show are left out.

    Returns:
        The longer path, and the names that match it; those of directories end in "/".
    """
    directory, slash, start = text.rpartition("/")
    if text == "~" or start == "..":
        return f"{text}/", []
    try:
        with os.scandir(Path(directory + slash).expanduser()) as entries:
            names = sorted(
                entry.name + ("/" if entry.is_dir() else "")
                for entry in entries
                if entry.name.startswith(start)
                and (start or not entry.name.startswith("."))
                and entry.name.isprintable()
            )
    except (OSError, RuntimeError, ValueError):
        return text, []
    common = os.path.commonprefix(names)  # noqa: RUF071 (of characters)
    return (directory + slash + common, names) if names else (text, [])


class PathPrompt(Dialog[DialogResult | None]):
    """A field for a path. `accept_path` decides what is done with the path; Escape returns None.

    Relative paths start from the directory in which the editor was started; `~` is the home directory.

    Args:
        title: what the path is for.
        enter_hint: what Enter does, as `loads`.
        endings: allowed endings of the name of a file to write. A name without an ending gets the first one, and before
            an existing file is replaced the user is asked. Empty: the file is read.
        suggestion: the first content of the field, which the first typed letter replaces.
    """

    DEFAULT_CSS = """
    PathPrompt DialogBox Vertical { height: auto; }
    PathPrompt #names { height: auto; max-height: 6; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]
    PLACEHOLDER = "path of a file"

    def __init__(self, title: str, enter_hint: str, endings: Sequence[str] = (), suggestion: str = "") -> None:
        super().__init__()
        self._title, self._enter_hint, self.endings, self._suggestion = title, enter_hint, endings, suggestion

    def accept_path(self, path: Path) -> None:
        """Dismiss the prompt with a result, or `refuse` the path, now or later."""
        raise NotImplementedError

    def compose_below(self) -> ComposeResult:
        """Yield the widgets below the field."""
        yield from ()

    def name_problem(self, path: Path) -> str:
        """Return why a file of this name cannot be written, or an empty text."""
        if path.suffix.lower() not in self.endings:
            return f"{path.name}: the name must end in {' or '.join(self.endings)}"
        return ""

    def refuse(self, problem: str) -> None:
        """Say what is wrong with the path; the prompt stays open."""
        self._show_notes("", problem)

    def _show_notes(self, names: str, problem: str) -> None:
        for id, text in (("#names", names), ("#problem", problem)):
            static = self.query_one(id, Static)
            static.update(text)
            static.display = bool(text)

    def compose(self) -> ComposeResult:
        with DialogBox(self._title, [("Enter", self._enter_hint), ("Tab", "completes"), ("Esc", "closes")]):
            with Vertical(classes="head"):
                yield TextField(
                    {"tab": self._complete, "enter": self._submit}, self.PLACEHOLDER, value=self._suggestion
                )
            yield from self.compose_below()
            with Vertical(classes="foot"):
                yield Static("", id="names", classes="muted", markup=False)
                yield Static("", id="problem", markup=False)

    def on_mount(self) -> None:
        self.watch(self.query_one(TextField), "value", lambda: self.refuse(""))

    def _complete(self) -> None:
        line = self.query_one(TextField)
        line.value, names = complete_path(line.value)
        line.cursor_position = len(line.value)
        shown_names = names[:NAMES_SHOWN] if len(names) > 1 else []
        more = f"  … {len(names) - len(shown_names)} more" if len(names) > NAMES_SHOWN else ""
        self._show_notes("  ".join(shown_names) + more, "")

    def _submit(self) -> None:
        text = self.query_one(TextField).value.strip()
        try:
            path = Path(text).expanduser()
            if text and self.endings:
                self._accept_output(path, text.endswith("/"))
            elif text:
                self.accept_path(path)
        except StorageError as error:
            self.refuse(str(error))
        except RuntimeError:
            self.refuse(f"{text}: there is no such user; give another path")
        except OSError as error:
            self.refuse(f"{path.name}: {(error.strerror or str(error)).lower()}; give another path")

    def _accept_output(self, path: Path, is_directory: bool) -> None:
        if is_directory or path.is_dir():
            self.refuse(f"{path} is a directory: add the name of a file")
            return
        path = path if path.suffix else path.with_name(path.name + self.endings[0])
        directory = path.parent
        if problem := self.name_problem(path):
            self.refuse(problem)
            return
        if not directory.is_dir():
            self.refuse(f"there is no directory {directory}: create it first, or choose another")
            return
        check_writable(directory)
        if path.exists():
            answers = {"y": ("replace", "replace it"), "n": ("", "keep it")}
            question = Question(f"{path} already exists.", answers)
            self.app.push_screen(question, lambda answer: self.accept_path(path) if answer else None)
        else:
            self.accept_path(path)
