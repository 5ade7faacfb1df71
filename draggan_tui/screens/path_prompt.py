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


def complete_path(typed_path: str) -> tuple[str, list[str]]:
    """Complete a path as far as it is unambiguous.

    Hidden files match only after a dot. Names with characters that no terminal can show are left out.

    Returns:
        The longer path, and the names that match it; those of directories end in "/".
    """
    typed_directory, slash, name_start = typed_path.rpartition("/")
    if typed_path == "~" or name_start == "..":
        return f"{typed_path}/", []
    try:
        with os.scandir(Path(typed_directory + slash).expanduser()) as directory_entries:
            names = sorted(
                directory_entry.name + ("/" if directory_entry.is_dir() else "")
                for directory_entry in directory_entries
                if directory_entry.name.startswith(name_start)
                and (name_start or not directory_entry.name.startswith("."))
                and directory_entry.name.isprintable()
            )
    except (OSError, RuntimeError, ValueError):
        return typed_path, []
    common_prefix = os.path.commonprefix(names)  # noqa: RUF071 (of characters)
    return (typed_directory + slash + common_prefix, names) if names else (typed_path, [])


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
        self._dialog_title, self._enter_hint, self.endings, self._suggestion = title, enter_hint, endings, suggestion

    def accept_path(self, path: Path) -> None:
        """Dismiss the prompt with a result, or `refuse` the path, now or later."""
        raise NotImplementedError

    def compose_below(self) -> ComposeResult:
        """Yield the widgets below the field, at least one: a box is as high as its content, without `head` and `foot`."""
        yield Static("")

    def name_problem(self, path: Path) -> str:
        """Return why a file of this name cannot be written, or an empty text."""
        if path.suffix.lower() not in self.endings:
            return f"{path.name}: the name must end in {' or '.join(self.endings)}"
        return ""

    def refuse(self, problem: str) -> None:
        """Say what is wrong with the path; the prompt stays open."""
        self._show_notes("", problem)

    def _show_notes(self, names: str, problem: str) -> None:
        for id, note_text in (("#names", names), ("#problem", problem)):
            note_widget = self.query_one(id, Static)
            note_widget.update(note_text)
            note_widget.display = bool(note_text)

    def compose(self) -> ComposeResult:
        with DialogBox(self._dialog_title, [("Enter", self._enter_hint), ("Tab", "completes"), ("Esc", "closes")]):
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
        text_field = self.query_one(TextField)
        text_field.value, names = complete_path(text_field.value)
        text_field.cursor_position = len(text_field.value)
        shown_names = names[:NAMES_SHOWN] if len(names) > 1 else []
        more_text = f"  … {len(names) - len(shown_names)} more" if len(names) > NAMES_SHOWN else ""
        self._show_notes("  ".join(shown_names) + more_text, "")

    def _submit(self) -> None:
        typed_path = self.query_one(TextField).value.strip()
        try:
            path = Path(typed_path).expanduser()
            if typed_path and self.endings:
                self._accept_output(path, typed_path.endswith("/"))
            elif typed_path:
                self.accept_path(path)
        except StorageError as path_error:
            self.refuse(str(path_error))
        except RuntimeError:
            self.refuse(f"{typed_path}: there is no such user; give another path")
        except OSError as path_error:
            self.refuse(f"{path.name}: {(path_error.strerror or str(path_error)).lower()}; give another path")

    def _accept_output(self, path: Path, is_directory: bool) -> None:
        if is_directory or path.is_dir():
            self.refuse(f"{path} is a directory: add the name of a file")
            return
        path = path if path.suffix else path.with_name(path.name + self.endings[0])
        parent_directory = path.parent
        if problem := self.name_problem(path):
            self.refuse(problem)
            return
        if not parent_directory.is_dir():
            self.refuse(f"there is no directory {parent_directory}: create it first, or choose another")
            return
        check_writable(parent_directory)
        if path.exists():
            answers_by_key = {"y": ("replace", "replace it"), "n": ("", "keep it")}
            replace_question = Question(f"{path} already exists.", answers_by_key)
            self.app.push_screen(replace_question, lambda answer: self.accept_path(path) if answer else None)
        else:
            self.accept_path(path)
