"""The `[keys]` table of the configuration: which keys the user has changed."""

from __future__ import annotations

from collections.abc import Mapping

from draggan_tui.config.settings_file import ConfigFile

_MODIFIERS = {"alt", "ctrl", "hyper", "meta", "shift", "super"}
_EXAMPLES = "write it as z, Z, ctrl+r, f5, left, space, escape, comma, question_mark, …"
# Textual ends the application with it from every screen, before the editor's own keys are looked up.
_ALWAYS_QUITS = "ctrl+q"
# Later bindings: a configuration that uses their keys for something else stays valid.
_YIELDING_IDS = {"image-only", "interrupt", "redraw", "side-panel", "suspend"}


def default_keys() -> dict[str, str]:
    """Return the editor's own keys: id → "key" or "key,key"."""
    from draggan_tui.keymap import KEY_BINDINGS

    return {binding.id: binding.keys for binding in KEY_BINDINGS.values()}


def keys_in_use(changes: Mapping[str, str]) -> dict[str, str]:
    """Return all keys as `default_keys` does, without those that the user's changes have taken away.

    Args:
        changes: the result of `configured_keys`.
    """
    taken_keys = {key for keys in changes.values() for key in keys.split(",")}
    all_keys = {}
    for binding_id, keys in default_keys().items():
        free_keys = ",".join(key for key in keys.split(",") if key not in taken_keys)
        all_keys[binding_id] = changes.get(binding_id) or free_keys
    return {binding_id: keys for binding_id, keys in all_keys.items() if keys}


def configured_keys(file: ConfigFile) -> dict[str, str]:
    """Return the keys that the configuration changes, in Textual's names: id → "key,key".

    Raises:
        ConfigError: an id is unknown, a key does not exist, or one key does two things.
    """
    if not file.config.keys:
        return {}
    defaults = default_keys()
    changes: dict[str, str] = {}
    for binding_id, keys in file.config.keys.items():
        if binding_id not in defaults:
            raise file.error("keys", binding_id, f"this id is unknown; there are {', '.join(defaults)}")
        changes[binding_id] = ",".join(_textual_key(file, binding_id, key.strip()) for key in keys.split(","))
    _check_unique(file, {**defaults, **changes}, changes)
    return changes


def _textual_key(file: ConfigFile, binding_id: str, key: str) -> str:
    """Return a key in Textual's names: full_stop for ".", ctrl+slash for "ctrl+/"."""
    from textual.keys import _character_to_key, key_to_character

    if not key:
        raise file.error(
            "keys", binding_id, "a key is empty; separate keys by one comma, and write the comma key as comma"
        )
    if len(key) == 1:
        modifiers, last = [], key
    else:
        *modifiers, last = key.split("+")
    if len(last) == 1 and last.isprintable():
        if "shift" in modifiers and last.isalpha():
            raise file.error("keys", binding_id, f"terminals do not send {key!r}; a capital letter is {last.upper()!r}")
        last = _character_to_key(last)
    character = key_to_character(last)  # also for names that Textual does not use, such as "esc"
    is_character = character is not None and character.isprintable() and _character_to_key(character) == last
    has_valid_modifiers = _MODIFIERS.issuperset(modifiers) and len(set(modifiers)) == len(modifiers)
    if not has_valid_modifiers or not (is_character or last in _key_names()):
        raise file.error("keys", binding_id, f"{key!r} is not a key; {_EXAMPLES}")
    textual_key = "+".join([*sorted(modifiers), last])
    if textual_key == _ALWAYS_QUITS and binding_id != "quit":
        raise file.error("keys", binding_id, f"{textual_key} always quits; take another key")
    return textual_key


def _key_names() -> set[str]:
    """Return the names of keys without a character, and of characters that Textual does not name as Unicode does."""
    from textual.keys import KEY_NAME_REPLACEMENTS, Keys

    names = {key.value.rpartition("+")[2] for key in Keys if not key.value.startswith("<")}
    return (names | set(KEY_NAME_REPLACEMENTS.values())) - {"return", "ctrl-at"}  # which no terminal sends


def _check_unique(file: ConfigFile, all_keys: Mapping[str, str], changes: Mapping[str, str]) -> None:
    """
    Raises:
        ConfigError: one key does two things.
    """
    owners: dict[str, str] = {}
    # The changed ones come last, so that the message is about an entry of the file.
    for binding_id in sorted(all_keys, key=list(changes).__contains__):
        for key in all_keys[binding_id].split(","):
            owner = owners.setdefault(key, binding_id)
            if owner != binding_id and (owner not in _YIELDING_IDS or owner in changes):
                raise file.error(
                    "keys", binding_id, f"{key} is the key of {owner} too; give one of the two another, under [keys]"
                )
