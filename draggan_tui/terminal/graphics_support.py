"""Whether a terminal can show graphics in the place of cells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from draggan_tui.terminal.color_depth import can_be_asked
from draggan_tui.terminal.tmux import expand_format

Graphics = Literal["auto", "kitty", "none"]

_KITTY_VERSION = re.compile(r"kitty\((\d+)\.(\d+)")
_LEAST_KITTY_VERSION = (0, 28)
_OTHERS_WITH_PLACEHOLDERS = re.compile(r"(ghostty|rio)\b", re.IGNORECASE)


@dataclass(frozen=True)
class GraphicsSupport:
    """What is known about graphics before the terminal has answered.

    Attributes:
        worth_asking: whether to ask the terminal.
        in_tmux: whether graphics go through tmux.
        is_chosen: the user wants graphics, whatever the terminal calls itself.
    """

    worth_asking: bool = False
    in_tmux: bool = False
    is_chosen: bool = False

    def allows(self, version: str, environment: Mapping[str, str]) -> bool:
        """Return whether to show graphics in a terminal that takes kitty's graphics protocol.

        Args:
            version: how the terminal calls itself. In tmux this is tmux, which says what the terminal around it is.
        """
        if self.in_tmux:
            version = expand_format(environment, "#{client_termtype}")
        return self.is_chosen or has_placeholders(version)


NO_GRAPHICS = GraphicsSupport()


def graphics_support(environment: Mapping[str, str], graphics: Graphics) -> GraphicsSupport:
    """Return what the environment says about graphics.

    tmux passes graphics on only if its option `allow-passthrough` says so.
    """
    if graphics == "none" or "NO_COLOR" in environment or not can_be_asked(environment):
        return NO_GRAPHICS
    if not environment.get("TMUX"):
        return GraphicsSupport(worth_asking=True, is_chosen=graphics == "kitty")
    passes_on = expand_format(environment, "#{allow-passthrough}") in ("1", "2", "on", "all")
    return GraphicsSupport(worth_asking=passes_on, in_tmux=True, is_chosen=graphics == "kitty")


def has_placeholders(version: str) -> bool:
    """Return whether a terminal is known to have kitty's Unicode placeholders.

    Others take kitty's graphics protocol without them, and would show the placeholders as characters.

    Args:
        version: how it calls itself, as `kitty(0.35.1)`.
    """
    if kitty_version := _KITTY_VERSION.match(version):
        return (int(kitty_version[1]), int(kitty_version[2])) >= _LEAST_KITTY_VERSION
    return _OTHERS_WITH_PLACEHOLDERS.match(version) is not None
