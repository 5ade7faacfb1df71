"""The images that the editor shows: the latest one, and the full-resolution images that the engine has sent."""

from __future__ import annotations

from draggan_engine.core.edit import Edit

from .preview_cache import PreviewCache, RgbArray
from .state import EditorState


class DisplayedImages:
    """
    Attributes:
        cache: full-resolution images, by `Edit.source`.
        latest: the image of the present edit, or the running drag's or inversion's; until that has come, the image before it.
    """

    def __init__(self) -> None:
        self.cache = PreviewCache()
        self.latest: RgbArray | None = None

    def follow(self, state: EditorState) -> None:
        """Make the present edit's image the latest one, if it is cached. A running drag, or a running inversion, sends its own images."""
        cached_image = None if state.is_dragging or state.is_inverting else self.cache.get(state.edit.source)
        if cached_image is not None:
            self.latest = cached_image

    def before(self, state: EditorState) -> RgbArray | None:
        """Return the image that comparisons show as "before"; None if it is not cached."""
        return self.cache.get(state.before_edit.source)

    def missing_edit(self, state: EditorState, *, shows_before: bool) -> Edit | None:
        """Return an edit whose image is to be shown and is not cached.

        Args:
            shows_before: whether the image before is on the screen too.
        """
        shown_edits = [*([] if state.is_dragging else [state.edit]), *([state.before_edit] if shows_before else [])]
        return next((edit for edit in shown_edits if self.cache.get(edit.source) is None), None)

    def clear(self) -> None:
        self.cache.clear()
        self.latest = None
