"""What stands on the screen of an app under test."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.strip import Strip


def screen_strips(app: App[Any]) -> list[Strip]:
    """Return the rows of the screen as they are drawn, with their styles."""
    return list(app.screen._compositor.render_strips())


def screen_rows(app: App[Any]) -> list[str]:
    """Return the text of the rows of the screen."""
    return [strip.text for strip in screen_strips(app)]
