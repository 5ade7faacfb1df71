"""The keys in force, as people read them: the editor's own, or what the user's configuration has made of them."""

from __future__ import annotations

import re
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.keys import format_key

from draggan_tui.keymap import KEYS
from draggan_tui.terminal.textual_internals import changed_keys

_BINDINGS = {binding.id: binding for bindings in KEYS.values() for binding in bindings}
_WORDS = {
    "enter": "Enter", "tab": "Tab", "space": "Space", "escape": "Esc", "backspace": "Backspace", "delete": "Del",
    "insert": "Ins", "home": "Home", "end": "End", "pageup": "PgUp", "pagedown": "PgDn",
}  # fmt: skip
_NAMED = re.compile(r"\{([a-z0-9-]+)\}")


def key_name(key: str) -> str:
    """A key as people read it: `Ctrl-R`, `Shift-Tab`, `PgDn`, `←`, `]`.

    Args:
        key: as Textual names it.
    """
    *modifiers, last = key.split("+")
    name = _WORDS.get(last) or format_key(last)
    is_letter = len(last) == 1 and bool(modifiers)
    is_function_key = re.fullmatch(r"f\d+", last) is not None
    return "-".join([*map(str.capitalize, modifiers), name.upper() if is_letter or is_function_key else name])


def keys_shown(app: App[Any], binding: Binding) -> str:
    """All keys of a binding, as help lists them: `← h`."""
    changed = _changed(app, binding)
    keys = [key.strip() for key in (changed or binding.key).split(",")]
    if changed is None:
        free = [key for key in keys if not _has_other_use(app, key)]
        if free == keys and binding.key_display:
            return binding.key_display
        keys = free
    return " ".join(map(key_name, keys))


def with_keys(app: App[Any], text: str) -> str:
    """A message with the first key of each binding that it names: `{drag} drags` is `d drags`."""
    return _NAMED.sub(lambda name: _first_key(app, name[1]) if name[1] in _BINDINGS else name[0], text)


def _first_key(app: App[Any], name: str) -> str:
    binding = _BINDINGS[name]
    key = (_changed(app, binding) or binding.key).split(",")[0].strip()
    return key_name(key)


def _has_other_use(app: App[Any], key: str) -> bool:
    """Whether the user has given a key of our own to something else."""
    return any(key in keys.split(",") for keys in changed_keys(app).values())


def _changed(app: App[Any], binding: Binding) -> str | None:
    return changed_keys(app).get(binding.id or "")
