"""The exact text of the side panel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from textual.content import Content

from draggan_engine.core.edit import Edit, Mask, PointPair
from draggan_engine.core.edit_ops import Brush
from draggan_engine.core.geometry import Point
from draggan_engine.core.history import DragRecord
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.mask_regions import percent
from draggan_engine.core.model_info import ModelEntry
from draggan_engine.server.messages import LoadProgress
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.rendering.drag_outcome import outcome_text, reason_text
from draggan_tui.rendering.inspector_state import InspectorState
from draggan_tui.rendering.inspector_text import cursor_facts, seconds_text, session_facts
from draggan_tui.rendering.loading_text import loading_text, placeholder_text, size_text
from draggan_tui.rendering.model_list_text import model_lines
from draggan_tui.rendering.narrow_panel_text import narrow_panel_text
from draggan_tui.rendering.pair_table import TABLE_WIDTH, pair_header, pair_table
from tests.support.editing import INFO


def text_lines(content: Content) -> list[str]:
    return content.plain.splitlines()


def test_the_facts_of_the_session() -> None:
    edit = Edit(model="toy", source=LatentRef(seed=7, psi=0.7, drag=2))
    assert text_lines(session_facts(InspectorState(edit, "cpu"))) == [
        " model  toy",
        "device  cpu",
        "  seed  7 · after drag 2",
        "     ψ  0.70 · space W+",
        "  edit  –",
    ]
    info = INFO.model_copy(update={"classes": 10, "family": "StyleGAN3-r"})
    assert text_lines(session_facts(InspectorState(Edit(model="toy", source=LatentRef(label=3)), "cuda:0", info)))[
        1:4
    ] == [
        "device  cuda:0 · StyleGAN3-r",
        "  seed  42",
        " class  3 of 0…9",
    ]


@pytest.mark.parametrize(("sigma", "text"), [(0.04, " 0.0 σ"), (1.84, " 1.8 σ"), (16.0, "16.0 σ")])
@pytest.mark.parametrize("drag", [None, 2])
def test_the_facts_say_how_far_drags_have_moved_the_latent(sigma: float, text: str, drag: int | None) -> None:
    """During the first drag, the edit itself has not been dragged yet."""
    edit = Edit(model="toy", source=LatentRef(drag=drag))
    assert text_lines(session_facts(InspectorState(edit, sigma=sigma)))[-1] == f"  edit  {text}"


def test_without_drags_the_facts_do_not_say_how_far_the_latent_has_moved() -> None:
    assert len(text_lines(session_facts(InspectorState(Edit(model="toy"))))) == 4


def test_the_facts_of_the_cursor() -> None:
    state = InspectorState(
        Edit(model="toy", mask=Mask.from_array((np.arange(10_000) < 3540).reshape(100, 100).astype(np.uint8))),
        model_info=INFO,
        cursor=(63.5, 8),
        cursor_color=(10, 160, 255),
        zoom="3:16",
        brush=Brush(3, round=True),
    )
    assert text_lines(cursor_facts(state)) == [
        "cursor   63.5    8.0",
        "colour     #0aa0ff",
        "  zoom  3:16",
        "  mask  35% may move",
        " brush  3 round",
    ]
    assert text_lines(cursor_facts(InspectorState(Edit(model="toy")))) == [
        "cursor  –",
        "colour  –",
        "  zoom  whole image",
        "  mask  none",
        " brush  1 square",
    ]


def test_coordinates_are_equally_wide_over_the_whole_image() -> None:
    info = INFO.model_copy(update={"width": 1024, "height": 512})
    points: list[Point] = [(0.0, 0.0), (99.9, 511.0), (1023.0, 9.5)]
    states = [InspectorState(Edit(model="toy"), model_info=info, cursor=point) for point in points]
    widths = {len(text_lines(cursor_facts(state))[0]) for state in states}
    assert widths == {len("cursor  1023.0   511.0")}


def test_the_swatch_has_the_colour_under_the_cursor() -> None:
    line = cursor_facts(InspectorState(Edit(model="toy"), cursor=(1, 1), cursor_color=(10, 160, 255))).split("\n")[1]
    assert [line.plain[span.start : span.end] for span in line.spans if span.style == "on #0aa0ff"] == ["  "]


@pytest.mark.parametrize(
    ("file_latent", "drag", "line"),
    [
        (FileLatent("pivot.pt"), 0, "latent  pivot.pt"),
        (FileLatent("pivot.pt"), 2, "latent  pivot.pt · after drag 2"),
        (FileLatent(), 2, "latent  a file · after drag 2"),
        (FileLatent("me.jpg", is_inversion=True), 0, " photo  me.jpg"),
        (FileLatent("me.jpg", is_inversion=True), 1, " photo  me.jpg · after drag 1"),
    ],
)
def test_a_session_that_starts_from_a_latent_or_a_photograph(file_latent: FileLatent, drag: int, line: str) -> None:
    edit = Edit(model="toy", source=LatentRef(from_file=True, drag=drag))
    assert text_lines(session_facts(InspectorState(edit, file_latent=file_latent)))[2] == line


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (35_400, "35 kB"), (4_409_308, "4.4 MB"), (1_234_567_890, "1.2 GB")],
)
def test_the_text_of_sizes(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("what", "done", "total", "text"),
    [
        ("reading", 120_000_000, 364_000_000, "reading 120/364 MB"),
        ("reading", 0, 4_409_308, "reading 0.0/4.4 MB"),
        ("reading", 800, 900, "reading 800/900 B"),
        ("building", 0, 1, "building"),
    ],
)
def test_the_text_while_a_model_loads(what: str, done: int, total: int, text: str) -> None:
    assert loading_text(LoadProgress(stage=what, done=done, total=total)) == text


def test_the_placeholder_of_the_canvas() -> None:
    reading = LoadProgress(stage="reading", done=120_000_000, total=364_000_000)
    assert placeholder_text("⠋", "ffhq", None, 44, 20) == "⠋ ffhq"
    assert placeholder_text("⠋", "ffhq", reading, 44, 20) == "⠋ ffhq  reading 120/364 MB\n━━━━━━━─────────────────"
    for columns, rows in ((20, 20), (44, 2)):
        assert placeholder_text("⠋", "ffhq", reading, columns, rows) == "⠋ ffhq  reading 120/364 MB"
    done = LoadProgress(stage="reading", done=7, total=7)
    assert placeholder_text("⠋", "m", done, 44, 20).splitlines()[1] == 24 * "━"
    assert placeholder_text("⠋", "m", LoadProgress(stage="building", done=0, total=1), 44, 20) == "⠋ m  building"


def test_the_rows_of_models() -> None:
    entries = [
        ModelEntry(name="a" * 40, origin="own", path="/m/a.pkl", bytes=364_000_000),
        ModelEntry(name="b", origin="bundled", path="/m/b.safetensors", bytes=4_409_308),
    ]
    assert [line.plain for line in model_lines(entries, "/m/b.safetensors", 68)] == [
        f"  {'a' * 40}  own      364 MB",
        f"● b{' ' * 39}  bundled  4.4 MB",
    ]
    assert [line.plain for line in model_lines(entries, "b", 36)] == [
        "  aaaaaaaaaaaaaaa…  own      364 MB",
        "● b                 bundled  4.4 MB",
    ]
    assert model_lines([], "b", 36) == []


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.004, "<1%"), (0.5, "50%"), (0.999, ">99%"), (1, "100%")])
def test_the_text_of_shares(share: float, text: str) -> None:
    assert percent(share) == text


PAIRS = (
    PointPair(handle=(131, 128), target=(158, 142)),
    PointPair(handle=(90, 60), target=(90, 60)),
    PointPair(handle=(40, 41)),
    PointPair(handle=(8, 9), target=(8, 19), enabled=False),
)


def test_the_table_of_pairs() -> None:
    state = InspectorState(Edit(model="toy", pairs=PAIRS), selected=0, flat_handles={1})
    assert [pair_header(state).plain, *text_lines(pair_table(state))] == [
        "    handle     target     left",
        "▸1 131 128    158 142     30.4",
        " 2  90  60~       pin      0.0",
        " 3  40  41    target?         ",
        " 4   8   9      8  19      off",
    ]


def test_points_that_the_mask_blocks_are_marked() -> None:
    state = InspectorState(
        Edit(model="toy", pairs=PAIRS), flat_handles={0, 1}, blocked_points={0: "target", 1: "handle"}
    )
    assert text_lines(pair_table(state))[:2] == [
        " 1 131 128~   158 142!    30.4",
        " 2  90  60!       pin      0.0",
    ]


def test_wide_numbers_keep_their_columns() -> None:
    edit = Edit(model="toy", pairs=(PointPair(handle=(3, 4), target=(1023, 7)), *(11 * PAIRS[:1])))
    header, first, second, *_ = [
        pair_header(InspectorState(edit)).plain,
        *text_lines(pair_table(InspectorState(edit, flat_handles={1}))),
    ]
    assert [header, first, second] == [
        "       handle     target  left",
        "  1    3    4  1023    7  1020",
        "  2  131  128~  158  142  30.4",
    ]
    assert len(header) == TABLE_WIDTH


def test_the_selected_row_has_the_accent_colour_and_a_disabled_one_is_muted() -> None:
    table = pair_table(InspectorState(Edit(model="toy", pairs=PAIRS), selected=1)).split("\n")
    assert [[span.style for span in row.spans] for row in table] == [
        [],
        ["bold $text-accent"],
        [],
        ["$foreground-muted"],
    ]


def test_without_pairs_the_table_says_what_to_do_first() -> None:
    assert pair_header(InspectorState(Edit(model="toy"))).plain == ""
    text = pair_table(InspectorState(Edit(model="toy"), place_key="F2")).plain
    assert text == "Go to a point to drag,\nthen press F2."
    assert max(map(len, text.splitlines())) <= TABLE_WIDTH


def test_two_rows_for_narrow_terminals() -> None:
    edit = Edit(model="toy", pairs=PAIRS)
    state = InspectorState(edit, model_info=INFO, cursor=(63.5, 8), cursor_color=(10, 160, 255), selected=0)
    assert text_lines(narrow_panel_text(state)) == [
        "cursor   63.5    8.0     #0aa0ff",
        "pair 1 of 4  131 128 → 158 142  30.4",
    ]
    dragged_state = replace(state, sigma=1.83)
    assert text_lines(narrow_panel_text(dragged_state))[0] == "cursor   63.5    8.0     #0aa0ff  edit  1.8 σ"
    assert text_lines(narrow_panel_text(InspectorState(edit, selected=2)))[1] == "pair 3 of 4  40 41 → target?"
    assert text_lines(narrow_panel_text(InspectorState(Edit(model="toy"))))[1] == "no pairs"


def drag_record(reason: str, steps: int, pairs: int = 1, *, space: str = "w+", masked: bool = False) -> DragRecord:
    return DragRecord.model_validate(
        {
            "number": 3, "start": 0, "seed": 5, "psi": 1, "reason": reason, "steps": steps, "seconds": 0.42,
            "pairs": pairs * [{"handle": (1, 1), "target": (5, 5), "final": (4, 4), "distance": 1.4}],
            "settings": {"feature_block": "b8", "space": space}, "masked": masked,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("record", "panel", "status"),
    [
        (drag_record("reached", 24), "reached", "drag 3 reached its target: 24 steps, 0.4 s, 1.4 px left"),
        (drag_record("reached", 24, 2), "reached", "drag 3 reached its targets: 24 steps, 0.4 s, 1.4 px left"),
        (drag_record("max_steps", 1), "done", "drag 3: 1 step, 0.4 s, 1.4 px left"),
        (
            drag_record("max_steps", 300),
            "at the step limit",
            "drag 3 ended at the step limit: 300 steps, 0.4 s, 1.4 px left",
        ),
        (
            drag_record("settled", 12),
            "no nearer",
            "drag 3 ended because its handle came no nearer (12 steps, 0.4 s, 1.4 px left); {drag} continues from here",
        ),
        (
            drag_record("settled", 12, 2, space="w", masked=True),
            "no nearer",
            "drag 3 ended because its handles came no nearer (12 steps, 0.4 s, 1.4 px left): "
            "fewer pairs, a larger mask or the latent space w+ may help; {drag} continues from here",
        ),
        (
            drag_record("settled", 12, masked=True),
            "no nearer",
            "drag 3 ended because its handle came no nearer (12 steps, 0.4 s, 1.4 px left): "
            "a larger mask may help; {drag} continues from here",
        ),
        (drag_record("stopped", 2), "stopped", "drag 3 stopped: 2 steps, 0.4 s, 1.4 px left"),
        (drag_record("stopped", 0), "stopped", "drag 3 ended before its first step"),
        (
            drag_record("diverged", 7),
            "diverged",
            "drag 3 diverged after 7 steps: a smaller step size ({settings}) may help",
        ),
        (drag_record("interrupted", 2), "interrupted", "drag 3 was interrupted: 2 steps, 0.4 s, 1.4 px left"),
    ],
)
def test_the_text_of_how_a_drag_ended(record: DragRecord, panel: str, status: str) -> None:
    assert reason_text(record, 300) == panel
    assert outcome_text(record, 300, 1.4) == status


@pytest.mark.parametrize(("seconds", "text"), [(0.84, "0.8 s"), (12.4, "12 s"), (187, "3:07 min")])
def test_the_text_of_durations(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
