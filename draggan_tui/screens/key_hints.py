"""Which keys the key line shows, for what is going on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from textual.app import App

from draggan_tui.editor.workspace import EditorState
from draggan_tui.keymap import KEYS
from draggan_tui.rendering.key_line import KeyHint

from .key_names import with_keys

Mode = Literal["loading", "no engine", "live", "dragging", "shape", "grabbed", "pen", "unfinished pair", "idle"]

# Mode → ids of bindings and what they do, the most important first. A click on several keys runs the first.
HINTS: dict[Mode, tuple[tuple[str, str], ...]] = {
    "loading": (("quit", "quit"),),
    "no engine": (("restart-engine", "restart the engine"), ("undo", "undo"), ("quit", "quit")),
    "live": (("place", "let go"), ("drag", "stop"), ("left down up right", "move the target")),
    "dragging": (("drag", "stop"), ("before", "before/after"), ("zoom-in zoom-out", "zoom"), ("quit", "quit")),
    "shape": (
        ("place", "paint"), ("erase-shape", "erase"), ("cancel", "leave"), ("left down up right", "stretch"),
        ("shape", "next shape"),
    ),
    "grabbed": (
        ("place", "drop"), ("cancel", "put back"), ("left down up right", "move"),
        ("nudge-left nudge-down nudge-up nudge-right", "by a pixel"),
    ),
    "pen": (
        ("pen", "lift the pen"), ("left down up right", "paint"), ("toggle-cell", "toggle"),
        ("smaller-brush larger-brush", "size"), ("brush-shape", "shape"), ("undo", "undo"), ("clear-mask", "clear"),
    ),
    "unfinished pair": (
        ("place", "set the target"), ("cancel", "remove it"), ("left down up right", "move"), ("goto", "coordinates"),
    ),
    "idle": (
        ("place", "place"), ("drag", "drag"), ("undo", "undo"), ("pen", "mask"), ("next-seed", "next seed"),
        ("save", "save"), ("quit", "quit"), ("settings", "settings"), ("one-step", "one step"), ("lead", "live"),
        ("grab", "grab"), ("delete", "delete"), ("before", "before/after"), ("export", "export"),
        ("palette", "all commands"),
    ),
}  # fmt: skip

_ACTIONS = {binding.id: binding.action for bindings in KEYS.values() for binding in bindings}
_NEED_A_PAIR = {"drag", "one-step", "lead", "grab", "delete"}


def mode_of(work: EditorState, engine_alive: bool) -> Mode:
    """What is going on, as far as it decides which keys matter."""
    if not engine_alive:
        return "no engine" if work.info is not None else "loading"
    if work.info is None or work.loading is not None:
        return "loading"
    if work.dragging:
        return "live" if work.lead is not None else "dragging"
    if work.shape is not None:
        return "shape"
    if work.grab is not None:
        return "grabbed"
    if work.pen:
        return "pen"
    return "unfinished pair" if any(pair.target is None for pair in work.edit.pairs) else "idle"


def key_hints(app: App[Any], work: EditorState, engine_alive: bool) -> tuple[KeyHint, ...]:
    """The hints of the present mode, with the keys as they are bound; help comes last."""
    mode = mode_of(work, engine_alive)
    useless = _useless(work) if mode == "idle" else set()
    hints: Sequence[tuple[str, str]] = [hint for hint in HINTS[mode] if hint[0] not in useless]
    return tuple(_hint(app, ids, words) for ids, words in (*hints, ("help", "help")))


def _useless(work: EditorState) -> set[str]:
    """What cannot be done yet."""
    nothing_to_undo = {"undo"} if work.history.current_revision.parent is None else set()
    nothing_to_compare = set() if work.edit.source.drag else {"before"}
    is_movable = any(pair.enabled and not pair.is_pin for pair in work.edit.pairs)
    nothing_to_drag = set() if is_movable else {"drag", "one-step"}
    return nothing_to_undo | nothing_to_compare | nothing_to_drag | (set() if work.edit.pairs else _NEED_A_PAIR)


def _hint(app: App[Any], ids: str, words: str) -> KeyHint:
    keys = " ".join(f"{{{id}}}" for id in ids.split())
    return KeyHint(with_keys(app, keys), words, _ACTIONS[ids.split()[0]])
