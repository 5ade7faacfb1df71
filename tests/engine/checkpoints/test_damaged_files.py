"""Damaged files by the thousand: each is a model, or one line that names the file.

Some run in every `make test`. The long run, some minutes:

    pytest -m slow tests/engine/checkpoints/test_damaged_files.py -s

Each of its files is read in a process that is watched for hangs, crashes and memory. What breaks a promise is kept as a
file, to be read again; the same seeds make the same files.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import pickle_assembler as asm
from tests.support.contained_reader import ContainedReader, Outcome, disable_cache, summarize_outcomes, try_file
from tests.support.mutations import HOSTILE_INSTRUCTIONS, mutate
from tests.support.specimens import FIXTURE_FILES, make_specimens

CASES = 40_000
HEADS = (b"", b"\x80\x02", b"\x80\x04", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x20\0\0\0\0\0\0\0{")
quickly = settings(max_examples=20, derandomize=True, database=None)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning"),  # in archives that are damaged here
    pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning"),  # in pickles, likewise
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a directory for the files. The loader keeps no converted copies, because thousands would fill the disk."""
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("fuzz")
        patch.setenv("XDG_CACHE_HOME", str(disable_cache(directory)))
        yield directory


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, bytes]:
    return make_specimens(folder)


def keeps_the_promise(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    _, problem = try_file(path, thoroughly=True)
    assert not problem


@pytest.mark.parametrize("head", HEADS)
@quickly
@given(body=st.binary(max_size=300))
def test_any_bytes(head: bytes, body: bytes, folder: Path) -> None:
    keeps_the_promise(folder / "bytes", head + body)


@settings(quickly, max_examples=1000)
@given(body=st.lists(st.sampled_from(HOSTILE_INSTRUCTIONS), max_size=30))
def test_any_program(body: list[bytes], folder: Path) -> None:
    keeps_the_promise(folder / "program", asm.PROTO + b"".join(body) + asm.STOP)


def _kinds() -> list[str]:
    made = ("native.safetensors", "rosinality, older.pt", "whole module.pt", "whole module, older.pt", "latent.pt")
    latents = ("latent, older.pt", "latent.safetensors", "latent.npz", "latent, packed.npz", "latent.npy")
    return [*(path.name for path in FIXTURE_FILES), *made, *latents]


@pytest.mark.parametrize("kind", _kinds())
@quickly
@given(seed=st.integers(0, 2**32 - 1))
def test_damaged_files(kind: str, seed: int, folder: Path, files: dict[str, bytes]) -> None:
    keeps_the_promise(folder / "damaged", mutate(random.Random(seed), files, kind))


def test_all_kinds_are_damaged(files: dict[str, bytes]) -> None:
    assert sorted(files) == sorted(_kinds())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_damaged_files(files: dict[str, bytes], tmp_path: Path) -> None:
    cases = int(os.environ.get("FUZZ_CASES", CASES))
    first = int(os.environ.get("FUZZ_SEED", 0))
    outcomes: list[Outcome] = []
    slowest, broken = ("", Outcome("")), []
    began = time.monotonic()
    with ContainedReader(tmp_path) as reader:
        for case in range(first, first + cases):
            kind = _kinds()[case % len(files)]
            content = mutate(random.Random(case), files, kind)
            outcome = reader.read(content, thoroughly=case % 7 == 0 or "latent" in kind)
            outcomes.append(outcome)
            if outcome.seconds > slowest[1].seconds:
                slowest = (f"seed {case}, {kind}", outcome)
            if outcome.problem:
                kept = tmp_path / f"broken-{case}"
                kept.write_bytes(content)
                broken.append(f"seed {case}, {kind} ({kept}): {outcome.problem}")
                print(broken[-1])
    print(f"\n{summarize_outcomes(outcomes)}\nslowest: {slowest[0]}; {time.monotonic() - began:.0f} s in all")
    assert not broken
