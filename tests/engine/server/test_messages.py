"""The wire: every message survives it, and nonsense gets an error that names the field."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest

from draggan_engine.core.edit import DragSettings, Edit, Mask, PointPair
from draggan_engine.core.errors import EngineError
from draggan_engine.core.history import DraggedPair, DragRecord, Revision, Trajectory
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.model_info import ModelEntry
from draggan_engine.server.codec import HEADER, MAX_MESSAGE, body_length, decode_command, decode_event, encode
from draggan_engine.server.messages import (
    Command,
    DragEnded,
    DragPreview,
    DragProgress,
    Event,
    Export,
    Failed,
    ImageData,
    ImageRendered,
    ListModels,
    LoadMask,
    LoadModel,
    LoadProgress,
    MaskLoaded,
    MaskSaved,
    ModelsListed,
    MoveLiveTarget,
    PreviewShown,
    PreviewSize,
    Quit,
    ReadTrajectory,
    ReleaseLiveTarget,
    Render,
    Resumed,
    Save,
    SaveMask,
    SetPreviewSize,
    StartDrag,
    StopDrag,
    TrajectoryRead,
)

EDIT = Edit(
    model="toy",
    pairs=(PointPair(handle=(1.5, 2), target=(3, 4)), PointPair(handle=(5, 6), enabled=False)),
    mask=Mask.from_array(np.eye(16, dtype=np.uint8)),
)
RECORD = DragRecord(
    number=1, source=LatentRef(seed=3, psi=0.7), reason="reached", steps=5, seconds=0.5,
    pairs=(DraggedPair(handle=(0, 0), target=(1, 1), final=(1, 0), distance=1),), settings=DragSettings(), masked=False,
)  # fmt: skip
PREVIEW_SIZE = PreviewSize(width=9, height=9)
DRAGGED = Revision(id=-1, parent=0, edit=EDIT, record=RECORD)


@pytest.mark.parametrize(
    "command",
    [
        Render(request_id=1, edit=EDIT),
        Save(change_count=2, revisions=(Revision(id=0, edit=EDIT), DRAGGED), current=-1),
        Export(edit=EDIT),
        StartDrag(revision=3, preview_size=PREVIEW_SIZE, max_steps=1, live_pair=0),
        SetPreviewSize(preview_size=PREVIEW_SIZE),
        PreviewShown(),
        MoveLiveTarget(target=(1.5, 2)),
        ReleaseLiveTarget(),
        ReadTrajectory(drag_number=2),
        StopDrag(),
        ListModels(),
        LoadMask(path="a.png"),
        SaveMask(path="a.png", mask=Mask.from_array(np.eye(9, dtype=np.uint8))),
        LoadModel(spec="a/b.pkl", directory="s-2"),
        Quit(),
    ],
    ids=lambda command: command.type,
)
def test_commands_arrive_as_they_left(command: Command) -> None:
    data = encode(command)
    assert body_length(data[: HEADER.size]) == len(data) - HEADER.size
    assert decode_command(data[HEADER.size :]) == command


@pytest.mark.parametrize(
    "event",
    [
        DragPreview(image=ImageData(width=1, height=2, rgb=bytes(range(6)))),
        ImageRendered(request_id=7, image=ImageData(width=1, height=2, rgb=bytes(range(6)))),
        DragProgress(step=1, max_steps=2, loss=0.5, mean_distance=3, handles=((1, 2),), steps_per_second=9),
        DragEnded(record=RECORD, revision=DRAGGED, problem="disk full"),
        TrajectoryRead(trajectory=Trajectory(number=1, steps=(0, 2), handles=(((1.5, 2),), ((2, 2),)))),
        Resumed(revisions=(DRAGGED,)),
        Failed(task="save", message="no"),
        LoadProgress(stage="reading", done=1, total=2),
        MaskLoaded(path="a.png", mask=Mask.from_array(np.eye(9, dtype=np.uint8)), resized=True),
        MaskSaved(path="a.png"),
        ModelsListed(models=(ModelEntry(name="a", origin="own", path="/a.pkl", bytes=9),)),
    ],
    ids=lambda event: event.type,
)
def test_events_arrive_as_they_left(event: Event) -> None:
    assert decode_event(encode(event)[HEADER.size :]) == event


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\xc1", "malformed"),
        (b"", "malformed"),
        (msgpack.packb({"type": "reboot"}), "malformed"),
        (msgpack.packb({"type": "export", "edit": {"seed": -1}}), r"edit\.seed"),
        (
            msgpack.packb({"type": "render", "request_id": 1, "edit": {"model": "toy"}, "width": 0, "height": 1}),
            "width",
        ),
        (msgpack.packb({"type": "quit", "force": True}), "force"),
    ],
)
def test_malformed_messages_are_named(body: bytes, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        decode_command(body)


def test_an_absurd_length_is_refused_before_anything_is_read() -> None:
    with pytest.raises(EngineError, match="bytes"):
        body_length(HEADER.pack(MAX_MESSAGE + 1))
