"""The codec: every message survives the wire, and the error for a malformed message names the field."""

from __future__ import annotations

from contextlib import suppress
from typing import get_args

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.core.edit import DragSettings, Edit, Mask, PointPair
from draggan_engine.core.errors import EngineError, Remedy
from draggan_engine.core.history import DraggedPair, DragRecord, History, Revision, Trajectory
from draggan_engine.core.inversion_choices import AlignmentChoice
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.model_info import ModelEntry, ModelInfo, PublicModel
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.server.codec import HEADER, MAX_MESSAGE_BYTES, body_length, decode_command, decode_event, encode
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    Attach,
    Command,
    DragEnded,
    DragPreview,
    DragProgress,
    DragStarted,
    EditMeasured,
    Event,
    Export,
    Exported,
    ExportFile,
    ExportProgress,
    Failed,
    ImageRendered,
    LandmarksLocated,
    ListModels,
    LoadMask,
    LoadModel,
    LoadProgress,
    MaskLoaded,
    MaskSaved,
    ModelLoaded,
    ModelsListed,
    MoveLiveTarget,
    MoveSession,
    PreviewShown,
    PreviewSize,
    Quit,
    ReadTrajectory,
    ReleaseLiveTarget,
    Render,
    Resumed,
    Save,
    Saved,
    SaveMask,
    SessionMoved,
    SetPreviewSize,
    StartDrag,
    StopDrag,
    TrajectoryRead,
)
from draggan_engine.server.photograph_messages import (
    InversionEnded,
    InversionMaskRead,
    InversionPreview,
    InversionProgress,
    InvertPhotograph,
    OpenPhotograph,
    PhotographOpened,
    PhotographViewed,
    ReadInversionMask,
    ViewPhotograph,
)
from draggan_engine.server.pull_messages import PullEnded, PullModel, PullProgress, StopPull

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
DRAGGED = Revision(id=DragRevisionId(1), parent=0, edit=EDIT, record=RECORD)


INFO = ModelInfo(
    name="toy", sha256="00", family="StyleGAN2", format="native", width=8, height=8, num_ws=2, z_dim=8, w_dim=8,
    mapping_layers=2, blocks=("b4", "b8"), rows=("b4.conv1",), parameters=1, psi=0.7, settings=DragSettings(),
)  # fmt: skip
HISTORY = History.of(EDIT).change(EDIT.with_source(LatentRef(seed=4))).undo().merge([DRAGGED])
IMAGE = ImageData(width=1, height=2, rgb=bytes(range(6)))
MASK = Mask.from_array(np.eye(9, dtype=np.uint8))
ALIGNMENT = AlignmentChoice(how="points", points=((1.5, 2), (3, 4)), refine=False)
PHOTOGRAPHED = Revision(id=1, parent=0, edit=EDIT.with_source(LatentRef(from_file=True)))
PUBLIC_MODEL = PublicModel(
    name="a-8", family="StyleGAN2", shows="nothing", width=8, height=8, bytes=None, licence="none", home="https://a.org"
)
COMMANDS: tuple[Command, ...] = (
    Render(request_id=1, edit=EDIT),
    Save(change_count=2, revisions=(Revision(id=0, edit=EDIT), DRAGGED), current=DragRevisionId(1)),
    Export(edit=EDIT),
    ExportFile(edit=EDIT, path="a.mp4", markers=True, paste_mode="crop"),
    StartDrag(revision=3, preview_size=PREVIEW_SIZE, max_steps=1, live_pair=0),
    SetPreviewSize(preview_size=PREVIEW_SIZE),
    PreviewShown(),
    MoveLiveTarget(target=(1.5, 2)),
    ReleaseLiveTarget(),
    ReadTrajectory(drag_number=2),
    StopDrag(),
    ListModels(),
    LoadMask(path="a.png"),
    SaveMask(path="a.png", mask=MASK),
    LoadModel(spec="a/b.pkl", directory="s-2"),
    PullModel(source="hf://o/r/m.pkl"),
    StopPull(),
    OpenPhotograph(path="a.jpg"),
    InvertPhotograph(path="a.jpg", alignment=ALIGNMENT, revision=PHOTOGRAPHED, method="hybrid", steps=9),
    ViewPhotograph(edit=EDIT),
    ReadInversionMask(),
    MoveSession(directory="s-3"),
    Attach(version="0.1.0"),
    Quit(),
)
EVENTS: tuple[Event, ...] = (
    DragPreview(image=IMAGE),
    ImageRendered(request_id=7, image=IMAGE),
    EditMeasured(source=LatentRef(seed=4, drag=2, step=7), sigma=1.8),
    LandmarksLocated(source=LatentRef(seed=4), points=((63.5, 70.25), (40, 50))),
    DragStarted(drag_number=1, precision="bfloat16", notice="slower"),
    DragProgress(step=1, max_steps=2, loss=0.5, mean_distance=3, handles=((1, 2),), steps_per_second=9, sigma=1.8),
    DragEnded(record=RECORD, revision=DRAGGED, image=IMAGE, problem="disk full"),
    TrajectoryRead(trajectory=Trajectory(number=1, steps=(0, 2), handles=(((1.5, 2),), ((2, 2),)))),
    Resumed.of(HISTORY, recovered_drags=(1,), photograph="b.jpg", unfinished_photograph="a.jpg"),
    Failed(task="save", message="no", remedy=Remedy.use_cpu),
    LoadProgress(stage="reading", done=1, total=2),
    ModelLoaded(spec="toy", info=INFO, device="cpu"),
    MaskLoaded(path="a.png", mask=MASK, resized=True),
    MaskSaved(path="a.png"),
    ModelsListed(models=(ModelEntry(name="a", origin="own", path="/a.pkl", bytes=9),), public_models=(PUBLIC_MODEL,)),
    PullProgress(source="a", done=1, total=2),
    PullEnded(source="a", spec=None),
    PhotographOpened(path="a.jpg", width=4, height=8, image=IMAGE, unfinished_step=3),
    PhotographViewed(aligned=IMAGE, inversion=IMAGE, width=4, height=8, pasted=IMAGE),
    InversionProgress(phase="align", step=1, step_count=9, psnr=None, steps_per_second=2.5),
    InversionPreview(image=IMAGE),
    InversionMaskRead(mask=MASK),
    InversionEnded(
        reason="stopped",
        steps=2,
        seconds=0.5,
        psnr=21.5,
        revision=PHOTOGRAPHED,
        image=IMAGE,
        has_mask=True,
        notices=("no face",),
        problem="full",
    ),
    Saved(change_count=2, directory="s"),
    SessionMoved(directory="s"),
    ExportProgress(done=1, total=9),
    Exported(files=("a.png", "b.png")),
)

points = st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2)
pairs = st.builds(PointPair, handle=points, target=st.none() | points, enabled=st.booleans())
edits = st.builds(Edit, model=st.text(), pairs=st.lists(pairs, max_size=3).map(tuple))
images = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda size: st.binary(min_size=3 * size[0] * size[1], max_size=3 * size[0] * size[1]).map(
        lambda rgb: ImageData(width=size[0], height=size[1], rgb=rgb)
    )
)


def body_of(message: Command | Event) -> bytes:
    data = encode(message)
    assert body_length(data[: HEADER.size]) == len(data) - HEADER.size
    return data[HEADER.size :]


def test_there_is_an_example_of_every_message() -> None:
    assert {type(command) for command in COMMANDS} == set(get_args(Command))
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.type)
def test_a_command_survives_the_wire(command: Command) -> None:
    assert decode_command(body_of(command)) == command


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_survives_the_wire(event: Event) -> None:
    assert decode_event(body_of(event)) == event


def test_a_resumed_history_arrives_whole() -> None:
    event = decode_event(body_of(Resumed.of(HISTORY, recovered_drags=(1,))))
    assert isinstance(event, Resumed)
    assert event.history == HISTORY
    assert event.history.redo().current == HISTORY.redo().current != HISTORY.current


@given(st.integers(-(2**63), 2**63 - 1), edits)
def test_any_edit_survives_the_wire(request_id: int, edit: Edit) -> None:
    command = Render(request_id=request_id, edit=edit)
    assert decode_command(body_of(command)) == command


@given(images)
def test_any_image_survives_the_wire(image: ImageData) -> None:
    assert decode_event(body_of(DragPreview(image=image))) == DragPreview(image=image)
    assert ImageData.from_array(image.to_array()) == image


@given(points, st.none() | st.floats(allow_nan=False), st.integers(0, 2**31))
def test_any_progress_survives_the_wire(handle: tuple[float, float], loss: float | None, step: int) -> None:
    event = DragProgress(
        step=step, max_steps=None, loss=loss, mean_distance=0.0, handles=(handle,), steps_per_second=1.0
    )
    assert decode_event(body_of(event)) == event


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=10,
)
command_types = st.sampled_from([command.type for command in COMMANDS])


@given(st.binary() | json_values.map(msgpack.packb))
def test_arbitrary_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(EngineError, match="malformed message"):
        decode_command(body)


@given(command_types, st.dictionaries(st.sampled_from(["edit", "path", "revision", "mask", "spec"]), json_values))
def test_a_command_with_arbitrary_fields_is_decoded_or_refused(kind: str, fields: dict[str, object]) -> None:
    with suppress(EngineError):
        assert decode_command(msgpack.packb({**fields, "type": kind})).type == kind


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "reboot"}, "reboot"),
        ({"type": "export", "edit": {"seed": -1}}, r"export\.edit\.seed"),
        ({"type": "render", "request_id": 1, "edit": {"model": "toy"}, "width": 0}, r"render\.width"),
        ({"type": "quit", "force": True}, r"quit\.force"),
        ({"type": "start_drag", "revision": 0, "preview_size": {"width": 0, "height": 1}}, r"preview_size\.width"),
        ({"type": "move_live_target", "target": [1.0, float("nan")]}, r"target\.1"),
    ],
)
def test_the_error_names_the_field(fields: dict[str, object], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        decode_command(msgpack.packb(fields))


def test_a_message_that_is_too_long_is_refused_by_its_header() -> None:
    assert body_length(HEADER.pack(MAX_MESSAGE_BYTES)) == MAX_MESSAGE_BYTES
    with pytest.raises(EngineError, match=str(MAX_MESSAGE_BYTES + 1)):
        body_length(HEADER.pack(MAX_MESSAGE_BYTES + 1))


def test_a_path_need_not_be_utf_8() -> None:
    event = SessionMoved(directory="d\udcff")
    assert decode_event(encode(event)[HEADER.size :]) == event
