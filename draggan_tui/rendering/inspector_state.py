"""Everything that the side panel shows of the edit, in one value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import Brush
from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.model_info import ModelInfo
from draggan_tui.editor.file_latent import UNKNOWN_LATENT, FileLatent
from draggan_tui.editor.mask_reach import BlockedPoint
from draggan_tui.terminal.xterm_palette import Rgb

from .loupe import CloseUp


@dataclass(frozen=True, eq=False)
class InspectorState:
    """What the side panel shows, or the two rows that stand for it in a narrow terminal.

    Attributes:
        edit: the edit as it is drawn: during a drag with the handles where they are now.
        device: the device that the engine computes on, or the engine's state.
        model_info: None until the model is loaded.
        sigma: how far drags have moved the latent: the Mahalanobis length of the change. None: not known.
        file_latent: the photograph or the file whose latent the session started from, if it did not start from a seed.
        cursor: in pixels of the full-resolution image.
        cursor_color: the colour under the cursor. None: there is no image yet.
        zoom: `3:1`, or empty while the whole image is shown.
        selected: index of the selected pair.
        flat_handles: indices of the pairs whose handle is on a flat patch.
        blocked_points: index of each pair that the mask keeps from arriving, and the point that it blocks.
        place_key: the key that places a point, as people read it.
        points_text: what stands in place of the pairs; empty: the pairs, or what to do first.
        close_up: the selected handle, to be shown enlarged.
        drag_number: the drag that the edit follows; its curves are shown if they are the newest. None: no drag.
        is_dragging: whether a drag is running, whose curves are shown.
    """

    edit: Edit
    device: str = ""
    model_info: ModelInfo | None = None
    sigma: float | None = None
    file_latent: FileLatent = UNKNOWN_LATENT
    cursor: Point | None = None
    cursor_color: Rgb | None = None
    zoom: str = ""
    brush: Brush = field(default_factory=Brush)
    selected: int | None = None
    flat_handles: Collection[int] = ()
    blocked_points: Mapping[int, BlockedPoint] = field(default_factory=dict)
    place_key: str = "Enter"
    points_text: str = ""
    close_up: CloseUp | None = None
    drag_number: int | None = None
    is_dragging: bool = False

    @property
    def image_size(self) -> Size | None:
        """Size of the full-resolution image. None: the model is not loaded yet."""
        return None if self.model_info is None else self.model_info.size
