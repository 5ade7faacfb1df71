"""The inspector's words, to the letter."""

from __future__ import annotations

import pytest

from draggan_engine.protocol.edit import Edit, PointPair
from draggan_engine.protocol.messages import DragProgress, Loading, ModelEntry
from draggan_tui.document import Brush
from draggan_tui.renderables.facts import edit_facts, pair_list, percent, progress_line, seconds_text
from draggan_tui.renderables.loading import loading_text, placeholder, size_text
from draggan_tui.renderables.models import model_lines
from tests.ui.editing import INFO


def test_the_edit_line_by_line() -> None:
    edit = Edit(model="toy", seed=7, psi=0.7, latent=2)
    assert edit_facts(edit, "cpu", (63.5, 8), 0.354, Brush(3)).plain.splitlines() == [
        "model  toy",
        "device cpu",
        "seed   7  after drag 2",
        "ψ      0.7   space W+",
        "cursor 63.5, 8.0",
        "mask   35% may move",
        "brush  3",
    ]
    assert edit_facts(Edit(), "starting", None, None, Brush()).plain.splitlines()[4:] == [
        "cursor –",
        "mask   none",
        "brush  1",
    ]
    assert edit_facts(Edit(), "cpu", None, None, Brush(3, round=True)).plain.splitlines()[-1] == "brush  3 round"


def test_a_models_family_and_its_class() -> None:
    info = INFO.model_copy(update={"classes": 10, "family": "StyleGAN3-r"})
    lines = edit_facts(Edit(label=3), "cuda:0", None, None, Brush(), info).plain.splitlines()
    assert lines[1:5] == ["device cuda:0   StyleGAN3-r", "seed   42", "class  3 of 0…9", "ψ      1   space W+"]
    assert len(edit_facts(Edit(), "cpu", None, None, Brush(), INFO).plain.splitlines()) == 7


def test_the_colour_under_the_cursor_and_the_zoom() -> None:
    text = edit_facts(Edit(), "cpu", (1023, 1023), None, Brush(), None, "", (10, 160, 255), "3:16")
    line = text.split("\n")[5]
    assert line.plain == "colour    #0aa0ff   zoom 3:16"
    assert len(line.plain) <= 29, "as wide as the inspector is inside"
    assert [span.style for span in line.spans] == ["dim", "on #0aa0ff"]
    assert line.plain[line.spans[1].start : line.spans[1].end] == "  "
    text = edit_facts(Edit(), "cpu", (1, 1), None, Brush(), color=(0, 0, 0))
    assert text.plain.splitlines()[5] == "colour    #000000"


@pytest.mark.parametrize(("latent", "text"), [(0, "from pivot.pt"), (2, "drag 2, from pivot.pt")])
def test_a_latent_that_was_given(latent: int, text: str) -> None:
    edit = Edit(given=True, latent=latent)
    assert edit_facts(edit, "cpu", None, None, Brush(), None, "pivot.pt").plain.splitlines()[2] == f"seed   {text}"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (35_400, "35 kB"), (4_409_308, "4.4 MB"), (1_234_567_890, "1.2 GB")],
)
def test_sizes(count: int, text: str) -> None:
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
def test_what_is_said_while_a_model_loads(what: str, done: int, total: int, text: str) -> None:
    assert loading_text(Loading(what=what, done=done, total=total)) == text


def test_the_empty_canvas() -> None:
    reading = Loading(what="reading", done=120_000_000, total=364_000_000)
    assert placeholder("⠋", "ffhq", None, 44, 20) == "⠋ ffhq"
    assert placeholder("⠋", "ffhq", reading, 44, 20) == "⠋ ffhq  reading 120/364 MB\n━━━━━━━─────────────────"
    for columns, rows in ((20, 20), (44, 2)):
        assert placeholder("⠋", "ffhq", reading, columns, rows) == "⠋ ffhq  reading 120/364 MB"
    done = Loading(what="reading", done=7, total=7)
    assert placeholder("⠋", "m", done, 44, 20).splitlines()[1] == 24 * "━"
    assert placeholder("⠋", "m", Loading(what="building", done=0, total=1), 44, 20) == "⠋ m  building"


def test_models_in_columns() -> None:
    entries = [
        ModelEntry(name="a" * 40, origin="own", path="/m/a.pkl", bytes=364_000_000),
        ModelEntry(name="b", origin="bundled", path="/m/b.safetensors", bytes=4_409_308),
    ]
    assert [line.plain for line in model_lines(entries, "/m/b.safetensors")] == [
        f"  {'a' * 31}…  own       364 MB",
        f"● b{' ' * 31}  bundled   4.4 MB",
    ]
    assert model_lines([], "b") == []


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.004, "<1%"), (0.5, "50%"), (0.999, ">99%"), (1, "100%")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_pairs_show_where_the_handle_is_now() -> None:
    edit = Edit(pairs=(PointPair(handle=(10, 20), target=(13, 24)), PointPair(handle=(5, 6))))
    assert pair_list(edit, [(11, 22), (5, 6)], 0).plain.splitlines() == [
        "▸1 11,22→13,24 2.8",
        " 2 5,6→target?",
    ]
    assert "no points yet" in pair_list(Edit(), [], None).plain


def test_disabled_pairs_and_flat_patches() -> None:
    edit = Edit(pairs=(PointPair(handle=(10, 20), target=(13, 24), enabled=False), PointPair(handle=(5, 6))))
    lines = pair_list(edit, [(10, 20), (5, 6)], 0, {0, 1})
    assert lines.plain.splitlines() == ["▸1 10,20~→13,24 off", " 2 5,6~→target?"]
    assert "bold dim" in [span.style for span in lines.spans]


def test_progress() -> None:
    progress = DragProgress(step=34, max_steps=300, loss=0.1, mean_distance=1, handles=(), steps_per_second=12.06)
    assert progress_line(progress).plain == "34/300  12.1 it/s  0:22 left"
    by_hand = progress.model_copy(update={"max_steps": None})
    assert progress_line(by_hand).plain == "34  12.1 it/s"


@pytest.mark.parametrize(("seconds", "text"), [(0.84, "0.8 s"), (12.4, "12 s"), (187, "3:07 min")])
def test_seconds(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
