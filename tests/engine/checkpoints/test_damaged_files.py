"""Thousands of damaged files: each gives a model, or one line that names the file.

Some of them are read in every `make test`. The long run takes some minutes:

    pytest -m slow tests/engine/checkpoints/test_damaged_files.py -s

It reads each file in a process that is watched for hangs, crashes and memory. A file that breaks the promise is kept, to be
read again. The same seeds make the same files.
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
from tests.support.specimens import FIXTURE_FILES, ZOO_FILES, make_specimens

CASES = 40_000
HEADS = (b"", b"\x80\x02", b"\x80\x04", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x20\0\0\0\0\0\0\0{")
few_examples = settings(max_examples=20, derandomize=True, database=None)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning"),  # in archives that are damaged here
    pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning"),  # in pickles, likewise
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a directory for the files. The loader keeps no converted copies, because thousands would fill the disk."""
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("fuzz")
        patch.setenv("XDG_CACHE_HOME", str(disable_cache(directory)))
        yield directory


@pytest.fixture(scope="module")
def files(directory: Path) -> dict[str, bytes]:
    return make_specimens(directory)


def check_promise(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    _, problem = try_file(path, thoroughly=True)
    assert not problem


@pytest.mark.parametrize("head", HEADS)
@few_examples
@given(body=st.binary(max_size=300))
def test_any_bytes_keep_the_promise(head: bytes, body: bytes, directory: Path) -> None:
    check_promise(directory / "bytes", head + body)


@settings(few_examples, max_examples=1000)
@given(body=st.lists(st.sampled_from(HOSTILE_INSTRUCTIONS), max_size=30))
def test_any_pickle_keeps_the_promise(body: list[bytes], directory: Path) -> None:
    check_promise(directory / "program", asm.PROTO + b"".join(body) + asm.STOP)


def _kinds() -> list[str]:
    made_files = (
        "native.safetensors",
        "foreign.safetensors",
        "rosinality, older.pt",
        "whole module.pt",
        "whole module, older.pt",
        "protocol 0.pkl",
        "protocol 1.pkl",
        "latent.pt",
    )
    latent_files = (
        "latent, older.pt",
        "latent.safetensors",
        "latent.npz",
        "latent, packed.npz",
        "latent.npy",
        "latent, dictionary.npy",
    )
    return [*(path.name for path in FIXTURE_FILES + ZOO_FILES), *made_files, *latent_files]


@pytest.mark.parametrize("kind", _kinds())
@few_examples
@given(seed=st.integers(0, 2**32 - 1))
def test_damaged_files(kind: str, seed: int, directory: Path, files: dict[str, bytes]) -> None:
    check_promise(directory / "damaged", mutate(random.Random(seed), files, kind))


def test_every_kind_of_file_is_damaged(files: dict[str, bytes]) -> None:
    assert sorted(files) == sorted(_kinds())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_damaged_files(files: dict[str, bytes], tmp_path: Path) -> None:
    case_count = int(os.environ.get("FUZZ_CASES", CASES))
    first_seed = int(os.environ.get("FUZZ_SEED", 0))
    outcomes: list[Outcome] = []
    slowest, failures = ("", Outcome("")), []
    start_time = time.monotonic()
    with ContainedReader(tmp_path) as reader:
        for seed in range(first_seed, first_seed + case_count):
            kind = _kinds()[seed % len(files)]
            content = mutate(random.Random(seed), files, kind)
            outcome = reader.read(content, thoroughly=seed % 7 == 0 or "latent" in kind)
            outcomes.append(outcome)
            if outcome.seconds > slowest[1].seconds:
                slowest = (f"seed {seed}, {kind}", outcome)
            if outcome.problem:
                kept_path = tmp_path / f"broken-{seed}"
                kept_path.write_bytes(content)
                failures.append(f"seed {seed}, {kind} ({kept_path}): {outcome.problem}")
                print(failures[-1])
    print(f"\n{summarize_outcomes(outcomes)}\nslowest: {slowest[0]}; {time.monotonic() - start_time:.0f} s in all")
    assert not failures
