"""The page about the session format names every file and every field that a session has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from tests.support.commands import run
from tests.support.markdown import ROOT
from tests.support.tiny_models import NUM_WS, W_DIM, save_tiny

PAGE = (ROOT / "docs" / "session-format.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with everything that it can have: a latent file, a mask and a drag."""
    directory = tmp_path_factory.mktemp("session")
    model = save_tiny(directory / "tiny.safetensors")
    np.save(directory / "latent.npy", np.zeros((1, NUM_WS, W_DIM), np.float32))
    Image.new("L", (32, 32), 255).save(directory / "white.png")
    result = run(
        "drag", "--model", str(model), "--latent", "latent.npy", "--mask", "white.png", "--pair", "8,8:20,20",
        "--steps", "2", "--out", "session", directory=directory,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return directory / "session"


def test_every_file_is_named(session: Path) -> None:
    names = {path.name for path in session.rglob("*") if path.is_file()}
    assert len(names) == 9
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("name", ["session.json", "history.jsonl", "drag-001/drag.json", "drag-001/events.jsonl"])
def test_every_field_of_a_json_file_is_named(session: Path, name: str) -> None:
    text = (session / name).read_text(encoding="utf-8")
    values = [json.loads(line) for line in (text.splitlines() if name.endswith("l") else [text])]
    fields = {field for value in values for field in nested_fields(value)}
    assert len(fields) > 3
    assert [field for field in sorted(fields) if f"`{field}`" not in PAGE and f'"{field}"' not in PAGE] == []


def test_every_tensor_is_named(session: Path) -> None:
    for path in session.rglob("*.safetensors"):
        with safe_open(str(path), "np") as file:
            assert [name for name in file.keys() if f"`{name}`" not in PAGE] == [], path  # noqa: SIM118 (not a dict)


def nested_fields(value: object) -> Iterator[str]:
    """Yield the names of all fields of a JSON value, at every depth."""
    if isinstance(value, dict):
        yield from value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from nested_fields(child)
