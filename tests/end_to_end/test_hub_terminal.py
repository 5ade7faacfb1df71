"""The editor downloads a model of the Hugging Face hub in a real terminal, from servers on this machine that play the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_hub import ADDRESS, FakeHub, run_hub
from tests.support.keys import LOADED
from tests.support.paths import FIXTURES
from tests.support.patience import PATIENCE
from tests.support.terminal import Terminal
from tests.support.tiny_models import save_tiny

MODEL = FIXTURES / "checkpoints" / "sg2ada_cond_32.pkl"
PAUSE_AFTER = 65_536  # bytes


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with run_hub(MODEL.read_bytes()) as fake_hub:
        yield fake_hub


def start(directory: Path, hub: FakeHub) -> Terminal:
    """Open the editor with a tiny model."""
    save_tiny(directory / "plain.safetensors")
    exported = {"HF_ENDPOINT": hub.url, "NO_PROXY": "*"}
    return Terminal("--model", "plain.safetensors", "--out", "s", directory=directory, exported=exported)


def test_an_address_is_downloaded_with_progress_stopped_and_opened(hub: FakeHub, tmp_path: Path) -> None:
    hub.storage.pause_after = PAUSE_AFTER
    with start(tmp_path, hub) as terminal:
        terminal.wait_for(LOADED)
        terminal.send("M")
        terminal.wait_for("↓ sg2-ffhq-512")
        terminal.send(f"/{ADDRESS}\r")
        assert hub.storage.paused.wait(PATIENCE)
        terminal.wait_for("x stops it")
        terminal.send("\tx")
        terminal.wait_for("stopping the download of")
        hub.storage.pause_after = None
        hub.storage.resume.set()
        terminal.wait_for("was stopped;")
        terminal.send("\t\r")
        terminal.wait_for("opened ffhq")
        terminal.send("q")
        assert terminal.wait() == 0
