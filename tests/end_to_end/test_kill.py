"""kill -9 at random moments: what was acknowledged is in the session, and the next start offers to go on."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from draggan_engine.core.edit import DragSettings, Edit, Mask, PointPair
from draggan_engine.core.history import History
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.mask_regions import percent
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.server.messages import DragEnded, ModelLoaded, PreviewSize, Quit, Resumed, Save, Saved, StartDrag
from draggan_engine.storage.session_lock import LOCK_FILE
from draggan_engine.storage.session_manifest import read_history, read_manifest
from draggan_tui.benchmarks.processes import is_alive
from draggan_tui.benchmarks.pseudo_terminal import FRAME_END
from draggan_tui.rendering.inspector_state import InspectorState
from draggan_tui.rendering.pair_table import pair_table
from tests.support.engine_client import Engine
from tests.support.keys import LOADED, endless_drag, place_pair, session_directory
from tests.support.patience import PATIENCE
from tests.support.terminal import Terminal
from tests.support.tiny_models import save_tiny

MOMENTS = 20
CONTROL_L = "\x0c"  # paints the screen again
CLEAR = b"\x1b[2J"
DRAGS = 6  # of them in engines that load a model and drag


SETTINGS = DragSettings.for_height(32, "b16").model_copy(update={"max_steps": 2})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny.safetensors")


# The engine ---------------------------------------------------------------------------------------------


class Client:
    """Edits as the editor does, and keeps book of what the engine has acknowledged."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.revision = 0
        self.history = History.of(Edit(model="tiny", source=LatentRef(seed=3), settings=SETTINGS))
        self.sent: dict[int, History] = {}
        self.acknowledged: tuple[int, History] | None = None
        self.saves = self.drags = 0

    def live(self, engine: Engine, *, dragging: bool) -> None:
        """Until the engine is killed, at a random moment after its first answer."""
        try:
            self.save(engine)
            if dragging:
                self.take(engine.wait_for(Resumed) if self.acknowledged else None)
                engine.wait_for(ModelLoaded)
            else:
                self.take(engine.wait_for(Saved))
            killer = threading.Timer(self.chance.uniform(0, 1.5 if dragging else 0.3), engine.process.kill)
            enough = self.saves + self.chance.randrange(3, 12)  # however long the machine takes for them
            while True:
                self.act()
                self.save(engine)
                if not dragging and self.saves >= enough and killer.ident is None:
                    killer.start()
                if dragging and self.history.edit.active_pairs and self.chance.random() < 0.5:
                    engine.send(StartDrag(revision=self.history.current, preview_size=PreviewSize(width=8, height=8)))
                    self.take(engine.wait_for(DragEnded, self.note))
                    if killer.ident is None:  # the first drag takes as long as the machine has else to do
                        killer.start()
                elif self.chance.random() < 0.7:
                    self.take(engine.wait_for(Saved))
        except (EOFError, OSError):
            pass
        for event in engine.events:
            self.note(event)

    def note(self, event: object) -> bool:
        """Also events that were on their way when it died count."""
        if isinstance(event, Saved) and event.change_count in self.sent:
            self.acknowledge(event.change_count, self.sent[event.change_count])
        return True

    def take(self, event: object) -> None:
        self.note(event)
        if isinstance(event, Resumed):
            self.history = self.history.merge(event.revisions)
        if isinstance(event, DragEnded) and event.revision is not None:
            assert event.problem is None
            self.history = self.history.merge([event.revision]).jump_to(event.revision.id)
            self.drags += 1
            self.revision += 1
            self.acknowledge(self.revision, self.history)

    def acknowledge(self, revision: int, history: History) -> None:
        if self.acknowledged is None or revision > self.acknowledged[0]:
            self.acknowledged = revision, history
            self.saves += 1

    def act(self) -> None:
        point = (self.chance.uniform(0, 31), self.chance.uniform(0, 31))
        edit, kind = self.history.edit, self.chance.randrange(6)
        if kind == 0:
            self.history = self.history.undo()
        elif kind == 1:
            self.history = self.history.redo()
        elif kind == 2:
            noise = np.random.default_rng(self.revision).integers(0, 2, (32, 32), np.uint8)
            self.change(edit.model_copy(update={"mask": Mask.from_array(noise)}))
        else:
            target = (self.chance.uniform(0, 31), self.chance.uniform(0, 31))
            pairs = (*edit.pairs[-2:], PointPair(handle=point, target=target))
            self.change(edit.model_copy(update={"pairs": pairs}))

    def change(self, edit: Edit) -> None:
        self.history = self.history.change(edit)

    def save(self, engine: Engine) -> None:
        self.revision += 1
        self.sent[self.revision] = self.history
        entries = tuple(self.history.revisions.values())
        engine.send(Save(change_count=self.revision, revisions=entries, current=self.history.current))

    def check(self, found: History) -> None:
        """All that was acknowledged is there, and one stands where one stood then or later."""
        assert self.acknowledged is not None
        revision, history = self.acknowledged
        assert history.revisions.items() <= found.revisions.items()
        later = [sent.current for number, sent in self.sent.items() if number >= revision]
        drags = [id for id in found.revisions if isinstance(id, DragRevisionId) and id not in history.revisions]
        assert found.current in (history.current, *later, *drags)


def test_an_engine_that_is_killed_has_written_what_it_acknowledged(model: Path, tmp_path: Path) -> None:
    directory, client = tmp_path / "s", Client(random.Random(20))
    for moment in range(MOMENTS):
        dragging = moment >= MOMENTS - DRAGS
        spec = str(model if dragging else tmp_path / "none.safetensors")  # saving needs no model
        where = ("--resume", str(directory)) if moment else ("--out", str(directory))
        with Engine("--model", spec, "--device", "cpu", *where) as engine:
            engine.has_model = dragging
            client.live(engine, dragging=dragging)
        written_history = read_history(directory, read_manifest(directory))
        client.check(written_history)
        if moment % 2:  # the next is another editor, which knows what is on the disk and no more
            client.history = written_history
    assert client.saves > 3 * MOMENTS and client.drags >= DRAGS

    with Engine("--model", str(model), "--device", "cpu", "--resume", str(directory)) as engine:
        client.take(engine.wait_for(Resumed))
        client.save(engine)
        engine.wait_for(Saved)
        engine.send(Quit())
        assert engine.process.wait(PATIENCE) == 0
    assert read_history(directory, read_manifest(directory)).revisions == client.history.revisions
    assert not (directory / LOCK_FILE).exists()


# The editor ---------------------------------------------------------------------------------------------

KEYS = ("\r", "\r", "\r", "\t", "x", "u", "u", "\x12", " ", " ", "]", ".", "3l", "4j", "H", "K", "5h", "L")


@dataclass(frozen=True)
class Facts:
    """What the screen shows of an edit."""

    pairs: tuple[str, ...]
    mask: str
    latent: int


def facts(edit: Edit) -> Facts:
    rows = pair_table(InspectorState(edit)).plain.splitlines() if edit.pairs else []
    mask = "none" if edit.mask is None else f"{percent(edit.mask.share)} may move"
    return Facts(tuple(" ".join(row.split()) for row in rows), mask, edit.source.drag or 0)


def marking_terminal(*arguments: str, directory: Path, size: tuple[int, int] = (80, 24)) -> Terminal:
    """An editor whose terminal answered that it wants to know where frames begin and end."""
    terminal = Terminal(*arguments, directory=directory, size=size)
    terminal.synchronize()
    return terminal


def whole_frame(terminal: Terminal) -> str:
    """The text of a frame in which the editor paints all of the screen at once, after all keys that were sent before.

    Other frames may mix two states: Textual paints each part of the screen when that part is idle.
    """

    def end_of_next(marker: bytes, position: int) -> int:
        terminal.wait_for(lambda: terminal.raw.find(marker, position) >= 0)
        return terminal.raw.find(marker, position) + len(marker)

    position = len(terminal.raw)
    terminal.send(CONTROL_L)
    position = end_of_next(FRAME_END, end_of_next(CLEAR, position))
    while not terminal.is_painted(position):
        position = end_of_next(FRAME_END, position)
    return terminal.text(position)


def saved_facts(terminal: Terminal) -> Facts | None:
    """What the screen shows, if it says that all is saved, and no drag runs."""
    text = whole_frame(terminal)
    if "DRAG" in text or re.search(r"\* *$", text.splitlines()[-2]):
        return None
    panel = "\n".join(line[48:] for line in text.splitlines()[:-2])
    rows = re.findall(r"^ [▸ ] *(\d+ +-?\d+ +-?\d+)[~! ] +(\S.*?) *$", panel, re.MULTILINE)
    mask = re.search(r"^ +mask +(.*?) *$", panel, re.MULTILINE)
    latent = re.search(r"after drag (\d+)", text)
    assert mask is not None, text
    return Facts(
        tuple(" ".join(" ".join(row).replace("!", "").split()) for row in rows),
        mask[1],
        int(latent[1]) if latent else 0,
    )


def facts_when_saved(terminal: Terminal) -> Facts:
    """What the screen shows once it says that all is saved."""
    readings: list[Facts] = []

    def is_saved() -> bool:
        if (reading := saved_facts(terminal)) is not None:
            readings.append(reading)
        return bool(readings)

    terminal.wait_for(is_saved)
    return readings[-1]


def test_an_editor_that_is_killed_has_shown_as_saved_what_is_saved(model: Path, tmp_path: Path) -> None:
    """Three sessions in turn, so that the next editors start while one is at work."""
    chance = random.Random(20)
    directories = [tmp_path / name for name in "abc"]
    facts_by_directory: dict[Path, list[Facts]] = {directory: [] for directory in directories}
    waiting: deque[tuple[Path, Terminal]] = deque()

    def start(moment: int) -> None:
        directory = directories[moment % len(directories)]
        arguments = (
            ("open", str(directory)) if moment >= len(directories) else ("--model", str(model), "--out", str(directory))
        )
        size = (80, 60)  # room for all pairs
        waiting.append((directory, marking_terminal(*arguments, directory=tmp_path, size=size)))

    for moment, _ in enumerate(directories):  # before any is killed, or they would be offered that one
        start(moment)
    for moment in range(MOMENTS):
        directory, terminal = waiting.popleft()
        with terminal:
            terminal.wait_for(LOADED if moment < len(directories) else "opened the session in")
            engine = terminal.engine_pid
            shown: Facts | None = None
            terminal.send("\r4l\r")
            for _ in range(chance.randrange(2, 25)):
                terminal.send(chance.choice(KEYS))
                if chance.random() < 0.4 and (shown := saved_facts(terminal)) is not None:
                    facts_by_directory[directory].append(shown)
            if moment % 2:  # at the very moment at which all of it is shown as saved
                shown = facts_when_saved(terminal)
            else:
                time.sleep(chance.uniform(0, 0.05))
                shown = None
            terminal.signal(signal.SIGKILL)
            terminal.wait_for(lambda engine=engine: not is_alive(engine))
        history = read_history(directory, read_manifest(directory))
        if shown is not None:
            facts_by_directory[directory].append(shown)
            assert facts(history.edit) == shown
        assert set(facts_by_directory[directory]) <= {facts(entry.edit) for entry in history.revisions.values()}
        if moment + len(directories) < MOMENTS:
            start(moment + len(directories))
    # Every second moment waits until all is saved; of the others a slow machine shows few.
    assert sum(len(set(facts_shown)) for facts_shown in facts_by_directory.values()) >= MOMENTS // 4
    assert sum(len(read_history(directory, read_manifest(directory)).drag_records) for directory in directories) > 3


# The next start -----------------------------------------------------------------------------------------


def test_the_next_start_offers_to_go_on(tmp_path: Path) -> None:
    with marking_terminal("--seed", "42", directory=tmp_path) as first:
        first.wait_for(LOADED)
        first.send(" ")
        first.wait_for("may move")
        place_pair(first, (40, 40), (60, 40))
        shown = facts_when_saved(first)
        with marking_terminal(
            "--seed", "42", directory=tmp_path
        ) as second:  # while that one is open nothing is offered
            second.wait_for(LOADED)
            assert b"go on with it" not in second.raw
            second.send("q")
            assert second.wait() == 0
        first.signal(signal.SIGKILL)

        with marking_terminal(
            "--seed", "42", directory=tmp_path
        ) as third:  # at once: the killed one's engine may still be there
            third.wait_for("go on with it")
            third.send("y")
            third.wait_for("opened the session in")
            third.wait_for(lambda: saved_facts(third) == shown)
            third.send("u")  # the target
            third.wait_for("target?")
            third.send("uu")  # the handle, and the mask
            third.wait_for("Go to a point to drag")
            third.wait_for("mask  none")
            third.send("9\x12")
            third.wait_for(lambda: saved_facts(third) == shown)
            third.send("q")
            assert third.wait() == 0
        assert not (session_directory(tmp_path) / LOCK_FILE).exists()

        with marking_terminal("--seed", "42", directory=tmp_path) as fourth:  # that one was closed
            fourth.wait_for(LOADED)
            assert b"go on with it" not in fourth.raw
            fourth.send("\r")
            fourth.wait_for("target?")
            facts_when_saved(fourth)
            fourth.signal(signal.SIGKILL)


def test_who_does_not_want_to_go_on_is_asked_once(model: Path, tmp_path: Path) -> None:
    arguments = ("--model", str(model), "--seed", "5")
    with marking_terminal(*arguments, directory=tmp_path) as first:
        first.wait_for(LOADED)
        place_pair(first, (4, 4), (20, 20))
        facts_when_saved(first)
        first.signal(signal.SIGKILL)
    kept = session_directory(tmp_path)
    before = read_history(kept, read_manifest(kept))
    with marking_terminal(*arguments, directory=tmp_path) as second:
        second.wait_for("go on with it")
        second.send("n")
        second.wait_for(LOADED)
        assert "Go to a point to drag" in second.text()
        second.send("q")
        assert second.wait() == 0
    with marking_terminal(*arguments, directory=tmp_path) as third:
        third.wait_for(LOADED)
        assert b"go on with it" not in third.raw
        third.send("q")
        assert third.wait() == 0
    assert read_history(kept, read_manifest(kept)) == before


def test_a_drag_whose_editor_was_killed_is_written_and_offered(tmp_path: Path) -> None:
    with Terminal("--seed", "42", directory=tmp_path) as first:
        first.wait_for(LOADED)
        endless_drag(first)
        engine = first.engine_pid
        first.signal(signal.SIGKILL)
        with Terminal(directory=tmp_path) as second:
            second.wait_for("go on with it")
            second.send("y")
            second.wait_for("after drag 1")
            second.send("q")
            assert second.wait() == 0
        assert not is_alive(engine)
    directory = session_directory(tmp_path)
    (record,) = read_history(directory, read_manifest(directory)).drag_records
    assert record.reason == "stopped" and record.steps > 0


def test_a_session_that_is_open_is_not_opened_again(model: Path, tmp_path: Path) -> None:
    with Terminal("--model", str(model), "--out", "s", directory=tmp_path) as first:
        first.wait_for(LOADED)
        first.send("\r")
        first.wait_for(lambda: (tmp_path / "s" / "session.json").exists())
        with Terminal("open", "s", directory=tmp_path, size=(200, 24)) as second:
            assert second.wait() == 2
            said = [line.strip() for line in second.text().splitlines() if line.strip()]
            assert said == ["draggan-tui: s: this session is open in another editor; close that one first"]
        os.kill(first.pid, signal.SIGKILL)
        with Terminal("open", "s", directory=tmp_path) as third:
            third.wait_for("opened the session in")
            third.send("q")
            assert third.wait() == 0
