"""The keys that the key line shows in each mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from textual.app import App

from draggan_tui.editor.modes import (
    AligningPhotograph,
    Grab,
    Inverting,
    Labels,
    LiveDrag,
    LoadingModel,
    Pen,
    ShapeMode,
    ViewingPhotograph,
)
from draggan_tui.editor.state import EditorState
from draggan_tui.rendering.key_line import KeyHint

from .key_names import with_keys

HintMode = Literal[
    "loading",
    "no engine",
    "live",
    "dragging",
    "shape",
    "labels",
    "grabbed",
    "pen",
    "photograph",
    "inverting",
    "viewing",
    "unfinished pair",
    "idle",
]

HINTS: dict[HintMode, tuple[tuple[str, str], ...]] = {
    "loading": (("quit", "quit"),),
    "no engine": (("restart-engine", "restart the engine"), ("undo", "undo"), ("quit", "quit")),
    "live": (("place", "let go"), ("drag", "stop"), ("left down up right", "move the target")),
    "dragging": (("drag", "stop"), ("before", "before/after"), ("zoom-in zoom-out", "zoom"), ("quit", "quit")),
    "shape": (
        ("place", "paint"), ("erase-shape", "erase"), ("cancel", "leave"), ("left down up right", "stretch"),
        ("shape", "next shape"),
    ),
    "labels": (("cancel", "leave"),),
    "grabbed": (
        ("place", "drop"), ("cancel", "put back"), ("left down up right", "move"),
        ("nudge-left nudge-down nudge-up nudge-right", "by a pixel"),
    ),
    "pen": (
        ("pen", "lift the pen"), ("left down up right", "paint"), ("toggle-cell", "toggle"),
        ("smaller-brush larger-brush", "size"), ("brush-shape", "shape"), ("undo", "undo"), ("clear-mask", "clear"),
    ),
    "photograph": (
        ("place", "set the point"), ("cancel", "leave"), ("left down up right", "move"), ("zoom-in zoom-out", "zoom"),
        ("goto", "coordinates"),
    ),
    "viewing": (("photograph-view", "next view"), ("cancel", "the edit"), ("zoom-in zoom-out", "zoom")),
    "inverting": (("drag", "stop and keep it"), ("zoom-in zoom-out", "zoom"), ("quit", "quit")),
    "unfinished pair": (
        ("place", "set the target"), ("cancel", "remove it"), ("left down up right", "move"), ("goto", "coordinates"),
    ),
    "idle": (
        ("place", "place"), ("drag", "drag"), ("undo", "undo"), ("pen", "mask"), ("next-seed", "next seed"),
        ("save", "save"), ("quit", "quit"), ("settings", "settings"), ("one-step", "one step"), ("lead", "live"),
        ("grab", "grab"), ("delete", "delete"), ("before", "before/after"), ("export", "export"), ("photograph", "photograph"),
        ("palette", "all commands"),
    ),
}  # fmt: skip
"""For each mode the ids of bindings and what they do, the most important first. A click on several keys runs the first."""

_NEED_A_PAIR = {"drag", "one-step", "lead", "grab", "delete"}


def hint_mode(state: EditorState) -> HintMode:
    """Return what decides which keys matter now."""
    if state.engine_status in ("no model", "engine gone"):
        return "no engine" if state.model_info is not None else "loading"
    if state.model_info is None:
        return "loading"
    match state.mode:
        case LoadingModel():
            return "loading"
        case LiveDrag():
            return "live"
        case ShapeMode():
            return "shape"
        case Labels():
            return "labels"
        case Grab():
            return "grabbed"
        case Pen():
            return "pen"
        case AligningPhotograph():
            return "photograph"
        case Inverting():
            return "inverting"
        case ViewingPhotograph():
            return "viewing"
    if state.is_dragging:
        return "dragging"
    return "unfinished pair" if any(pair.target is None for pair in state.edit.pairs) else "idle"


def key_hints(app: App[Any], state: EditorState) -> tuple[KeyHint, ...]:
    """Return the hints of the present mode, with the keys in force. The help comes last."""
    present_mode = hint_mode(state)
    useless_ids = _useless_ids(state) if present_mode == "idle" else set()
    mode_hints: Sequence[tuple[str, str]] = [hint for hint in HINTS[present_mode] if hint[0] not in useless_ids]
    return tuple(_hint(app, binding_ids, hint_words) for binding_ids, hint_words in (*mode_hints, ("help", "help")))


def _useless_ids(state: EditorState) -> set[str]:
    """Return the ids of the bindings that could do nothing now."""
    nothing_to_undo = {"undo"} if state.history.current_revision.parent is None else set()
    nothing_to_compare = set() if state.edit.source.drag else {"before"}
    is_movable = any(pair.enabled and not pair.is_pin for pair in state.edit.pairs)
    nothing_to_drag = set() if is_movable else {"drag", "one-step"}
    return nothing_to_undo | nothing_to_compare | nothing_to_drag | (set() if state.edit.pairs else _NEED_A_PAIR)


def _hint(app: App[Any], binding_ids: str, hint_words: str) -> KeyHint:
    key_names = " ".join(f"{{{id}}}" for id in binding_ids.split())
    return KeyHint(with_keys(app, key_names), hint_words, f"run('{binding_ids.split()[0]}')")
