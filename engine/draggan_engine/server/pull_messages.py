"""The messages about downloads of models; `messages` has all others.

`PullModel` → `PullProgress` …, then `PullEnded` or `Failed`. It can take minutes, during which everything else goes on.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from draggan_engine.core.frozen_model import FrozenModel


class PullModel(FrozenModel):
    """Download a model. Only one is downloaded at a time. Answered by `PullProgress`, and at the end by `PullEnded`."""

    type: Literal["pull_model"] = "pull_model"
    source: str = Field(description="the name of a public checkpoint, or an address on the hub")


class StopPull(FrozenModel):
    """Stop the download, if there is one; the received part is kept. The download answers with `PullEnded`."""

    type: Literal["stop_pull"] = "stop_pull"


class PullProgress(FrozenModel):
    """How far a download is."""

    type: Literal["pull_progress"] = "pull_progress"
    source: str
    done: int = Field(description="in bytes")
    total: int = Field(description="in bytes; 0: not known")


class PullEnded(FrozenModel):
    """A download is complete, or was stopped."""

    type: Literal["pull_ended"] = "pull_ended"
    source: str
    spec: str | None = Field(description="the name or address that opens the model; None: the download was stopped")
