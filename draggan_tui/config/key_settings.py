"""The `[keys]` table of the configuration: which keys the user has changed."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from draggan_tui.config.settings_file import ConfigFile

_MODIFIERS = {"alt", "ctrl", "hyper", "meta", "shift", "super"}
_EXAMPLES = "write it as z, Z, ctrl+r, f5, left, space, escape, comma, question_mark, …"
# Textual ends the application with it from every screen, before the editor's own keys are looked up.
_ALWAYS_QUITS = "ctrl+q"
# Later bindings: a configuration that uses their keys for something else stays valid.
_YIELDING_IDS = {
    "cells", "image-only", "interrupt", "inversion-mask", "labels", "photograph", "photograph-view", "redraw", "side-panel",
    "suspend",
}  # fmt: skip


def default_keys() -> dict[str, str]:
    """Return the editor's own keys: id → "key" or "key,key"."""
    from draggan_tui.keymap import KEY_BINDINGS

    return {binding.id: binding.keys for binding in KEY_BINDINGS.values()}


def keys_in_use(changed_keys: Mapping[str, str]) -> dict[str, str]:
    """Return all keys as `default_keys` does, without those that the user's changes have taken away.

    Args:
        changed_keys: the result of `configured_keys`.
    """
    taken_keys = {key for keys in changed_keys.values() for key in keys.split(",")}
    all_keys = {}
    for binding_id, keys in default_keys().items():
        free_keys = ",".join(key for key in keys.split(",") if key not in taken_keys)
        all_keys[binding_id] = changed_keys.get(binding_id) or free_keys
    return {binding_id: keys for binding_id, keys in all_keys.items() if keys}


def configured_keys(config_file: ConfigFile) -> dict[str, str]:
    """Return the keys that the configuration changes, in Textual's names: id → "key,key".

    Raises:
        ConfigError: an id is unknown, a key does not exist, or one key does two things.
    """
    if not config_file.config.keys:
        return {}
    default_bindings = default_keys()
    changed_keys: dict[str, str] = {}
    for binding_id, keys in config_file.config.keys.items():
        if binding_id not in default_bindings:
            raise config_file.error("keys", binding_id, f"this id is unknown; there are {', '.join(default_bindings)}")
        changed_keys[binding_id] = ",".join(
            _textual_key(config_file, binding_id, key.strip()) for key in keys.split(",")
        )
    _check_unique(config_file, {**default_bindings, **changed_keys}, changed_keys)
    return changed_keys


def _textual_key(config_file: ConfigFile, binding_id: str, key: str) -> str:
    """Return a key in Textual's names: full_stop for ".", ctrl+slash for "ctrl+/"."""
    from textual.keys import key_to_character

    if not key:
        raise config_file.error(
            "keys", binding_id, "a key is empty; separate keys by one comma, and write the comma key as comma"
        )
    if len(key) == 1:
        modifiers, base_key = [], key
    else:
        *modifiers, base_key = key.split("+")
    if len(base_key) == 1 and base_key.isprintable():
        if "shift" in modifiers and base_key.isalpha():
            raise config_file.error(
                "keys", binding_id, f"terminals do not send {key!r}; a capital letter is {base_key.upper()!r}"
            )
        base_key = _key_of_character(base_key)
    character = key_to_character(base_key)  # also for names that Textual does not use, such as "esc"
    is_character = character is not None and character.isprintable() and _key_of_character(character) == base_key
    has_valid_modifiers = _MODIFIERS.issuperset(modifiers) and len(set(modifiers)) == len(modifiers)
    if not has_valid_modifiers or not (is_character or base_key in _key_names()):
        raise config_file.error("keys", binding_id, f"{key!r} is not a key; {_EXAMPLES}")
    textual_key = "+".join([*sorted(modifiers), base_key])
    if textual_key == _ALWAYS_QUITS and binding_id != "quit":
        raise config_file.error("keys", binding_id, f"{textual_key} always quits; take another key")
    return textual_key


def _key_of_character(character: str) -> str:
    """Return how Textual names the key of a character: full_stop for ".", a for "a"."""
    from textual.keys import KEY_NAME_REPLACEMENTS

    if character.isalnum():
        return character
    character_name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(character_name, character_name)


def _key_names() -> set[str]:
    """Return the names of keys without a character, and of characters that Textual does not name as Unicode does."""
    from textual.keys import KEY_NAME_REPLACEMENTS, Keys

    key_names = {key.value.rpartition("+")[2] for key in Keys if not key.value.startswith("<")}
    return (key_names | set(KEY_NAME_REPLACEMENTS.values())) - {"return", "ctrl-at"}  # which no terminal sends


def _check_unique(config_file: ConfigFile, all_keys: Mapping[str, str], changed_keys: Mapping[str, str]) -> None:
    """
    Raises:
        ConfigError: one key does two things.
    """
    ids_by_key: dict[str, str] = {}
    # The changed ones come last, so that the message is about an entry of the file.
    for binding_id in sorted(all_keys, key=list(changed_keys).__contains__):
        for key in all_keys[binding_id].split(","):
            owner_id = ids_by_key.setdefault(key, binding_id)
            if owner_id != binding_id and (owner_id not in _YIELDING_IDS or owner_id in changed_keys):
                raise config_file.error(
                    "keys", binding_id, f"{key} is the key of {owner_id} too; give one of the two another, under [keys]"
                )
