"""The names of the keys in force, as people read them: the editor's own keys, or those of the user's configuration."""

from __future__ import annotations

import re
from typing import Any

from textual.app import App
from textual.keys import format_key

from draggan_tui.keymap import KEY_BINDINGS, KeyBinding
from draggan_tui.terminal.textual_internals import changed_keys

_KEY_WORDS = {
    "enter": "Enter", "tab": "Tab", "space": "Space", "escape": "Esc", "backspace": "Backspace", "delete": "Del",
    "insert": "Ins", "home": "Home", "end": "End", "pageup": "PgUp", "pagedown": "PgDn",
}  # fmt: skip
_NAMED_BINDING = re.compile(r"\{([a-z0-9-]+)\}")


def key_name(key: str) -> str:
    """Return a key as people read it: `Ctrl-R`, `Shift-Tab`, `PgDn`, `←`, `]`.

    Args:
        key: as Textual names it.
    """
    *modifiers, last_key = key.split("+")
    key_word = _KEY_WORDS.get(last_key) or format_key(last_key)
    is_letter = len(last_key) == 1 and bool(modifiers)
    is_function_key = re.fullmatch(r"f\d+", last_key) is not None
    return "-".join([*map(str.capitalize, modifiers), key_word.upper() if is_letter or is_function_key else key_word])


def keys_shown(app: App[Any], binding: KeyBinding) -> str:
    """Return all keys of a binding, as the help lists them: `← h`."""
    configured_keys = _configured_keys(app, binding)
    binding_keys = [key.strip() for key in (configured_keys or binding.keys).split(",")]
    if configured_keys is None:
        free_keys = [key for key in binding_keys if not _is_used_otherwise(app, key)]
        if free_keys == binding_keys and binding.shown_keys:
            return binding.shown_keys
        binding_keys = free_keys
    return " ".join(map(key_name, binding_keys))


def with_keys(app: App[Any], message_text: str) -> str:
    """Return a message with the first key of each binding that it names: `{drag} drags` becomes `d drags`."""
    return _NAMED_BINDING.sub(
        lambda name_match: _first_key(app, name_match[1]) if name_match[1] in KEY_BINDINGS else name_match[0],
        message_text,
    )


def _first_key(app: App[Any], id: str) -> str:
    binding = KEY_BINDINGS[id]
    key = (_configured_keys(app, binding) or binding.keys).split(",")[0].strip()
    return key_name(key)


def _is_used_otherwise(app: App[Any], key: str) -> bool:
    """Return whether the user's configuration gives a key of ours to another command."""
    return any(key in configured_keys.split(",") for configured_keys in changed_keys(app).values())


def _configured_keys(app: App[Any], binding: KeyBinding) -> str | None:
    return changed_keys(app).get(binding.id)
