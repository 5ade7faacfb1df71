"""What the keys do, without a screen: the document with its history, the cursor, the pen, the running drag.

Every method either changes the state or raises `EditError` with a line for the user and changes nothing; such a line
names a key by its binding, as `{drag}`, and the screen says which one that is.
The screen calls them, then shows the state and tells the engine what is new.
"""

from __future__ import annotations

from draggan_engine.core.edit import Edit, check_label
from draggan_engine.core.history import History
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.model_info import ModelInfo
from draggan_tui.editor.commands.cursor import CursorTools
from draggan_tui.editor.commands.drag import DragTools
from draggan_tui.editor.commands.mask import MaskTools
from draggan_tui.editor.commands.navigation import TravelTools
from draggan_tui.editor.commands.points import PointTools
from draggan_tui.editor.history_cursor import HistoryCursor


class EditorState(CursorTools, PointTools, MaskTools, TravelTools, DragTools):
    """All of it, for one model after the other."""

    def model_loaded(self, info: ModelInfo) -> None:
        """The first time, the model's defaults complete the edit; in place of another model it begins a new session, with
        the same seed; in a restarted engine it changes nothing.

        Raises:
            EditError: the first model does not have the class that was asked for.
        """
        if self.info is None:
            check_label(self.edit.source.label, info.classes, info.name)
            psi = info.psi if self._psi is None else self._psi
            source = self.edit.source.model_copy(update={"psi": psi})
            edit = self.edit.model_copy(update={"model": info.name, "source": source, "settings": info.settings})
            self._begin(self.history if self._taken_up else History.of(edit), info)
        elif self.loading is not None:
            label = min(self.edit.source.label, max(info.classes - 1, 0))
            edit = Edit(
                model=info.name,
                source=LatentRef(seed=self.edit.source.seed, psi=info.psi, label=label),
                settings=info.settings,
            )
            self._begin(History.of(edit), info)
        self.info, self.loading = info, None

    def _begin(self, history: History, info: ModelInfo) -> None:
        self.history_cursor, self.trajectories, self.reference, self.draft = HistoryCursor(history), {}, None, None
        self.cursor = ((info.width - 1) / 2, (info.height - 1) / 2)
        self.selected, self.count = len(self.edit.pairs) - 1 if self.edit.pairs else None, 0
        self.revision = self.saved = 0

    def begin_loading(self, spec: str) -> None:
        """Another model is on its way; until it is there, or cannot be had, nothing changes."""
        self.at_rest()
        self.pen, self.shape, self.draft, self.loading = False, None, None, spec

    def end_loading(self) -> None:
        """It cannot be had; the present one stays."""
        self.loading = None
