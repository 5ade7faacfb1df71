"""What the user's environment says about the Hugging Face hub, in the variables that the hub's own tools read."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from draggan_engine.core.errors import InputError

DEFAULT_ENDPOINT = "https://huggingface.co"
_TRUE_WORDS = ("1", "ON", "YES", "TRUE")
_TOKEN = re.compile(r"[!-~]{1,1000}")


@dataclass(frozen=True)
class HubSettings:
    """
    Attributes:
        endpoint: the address of the hub, without a slash at its end.
        cache_directory: where the hub's own tools keep what they have downloaded. It need not exist.
        is_offline: whether the network must not be used for the hub.
        token: the user's access token, if there is one.
        token_source: the variable or the file that the token is from, for messages.
    """

    endpoint: str
    cache_directory: Path
    is_offline: bool
    token: str | None = field(repr=False)
    token_source: str


def read_hub_settings() -> HubSettings:
    """Return the settings of this process.

    Raises:
        InputError: a variable has a value that cannot be used.
    """
    home = _hub_home()
    token, token_source = _read_token(home)
    cache_text = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return HubSettings(
        endpoint=_read_endpoint(),
        cache_directory=_expanded_path(cache_text) if cache_text else home / "hub",
        is_offline=_is_true("HF_HUB_OFFLINE"),
        token=token,
        token_source=token_source,
    )


def _hub_home() -> Path:
    if home_text := os.environ.get("HF_HOME"):
        return _expanded_path(home_text)
    return _expanded_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"


def _expanded_path(path_text: str) -> Path:
    try:
        return Path(os.path.expandvars(path_text)).expanduser()
    except RuntimeError:  # there is no such home directory
        return Path(path_text)


def _read_endpoint() -> str:
    endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or DEFAULT_ENDPOINT
    if not re.fullmatch(r"https?://[!-~]+", endpoint):
        raise InputError("HF_ENDPOINT is not an address that begins with https://; correct or unset it")
    return endpoint


def _read_token(home: Path) -> tuple[str | None, str]:
    """Return the token and its source. Of several, the variable counts; an unreadable file is no token.

    Raises:
        InputError: the token has characters that cannot be sent.
    """
    source = next((name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name, "").strip()), None)
    if source is not None:
        token = os.environ[source].strip()
    elif _is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"):
        return None, ""
    else:
        token_text = os.environ.get("HF_TOKEN_PATH")
        token_path = _expanded_path(token_text) if token_text else home / "token"
        source = str(token_path)
        try:
            token = token_path.read_bytes()[:10_000].decode("utf-8", "replace").strip()
        except OSError:
            token = ""
    if not token:
        return None, ""
    if not _TOKEN.fullmatch(token):
        raise InputError(
            f"{source} holds no access token of the hub, but a text with other characters; correct or remove it"
        )
    return token, source


def _is_true(variable_name: str) -> bool:
    return os.environ.get(variable_name, "").strip().upper() in _TRUE_WORDS
