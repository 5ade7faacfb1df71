"""Landmarks are read from lines and from JSON, and other content is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from draggan_engine.core.errors import InputError
from draggan_engine.storage.landmark_files import read_landmarks

LANDMARKS = np.array([(10.5, 20.0), (30.0, -1.0), (5e2, 0.25)])


@pytest.mark.parametrize(
    "content",
    [
        "10.5 20\n30 -1\n5e2 0.25",
        "10.5,20\r\n30,-1\r\n500,.25\r\n",
        "\ufeff\n  10.5\t20\n\n30;-1\n500, 0.25\n\n",
        json.dumps(LANDMARKS.tolist()),
        '\n[["10.5", 20], [30, -1],\n [500, 0.25]]\n',
    ],
)
def test_lines_and_json_give_the_same_landmarks(tmp_path: Path, content: str) -> None:
    (tmp_path / "landmarks.txt").write_text(content, encoding="utf-8")
    landmarks = read_landmarks(tmp_path / "landmarks.txt", 3)
    assert np.array_equal(landmarks, LANDMARKS)
    assert landmarks.dtype == np.float64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "are 0 and not 3; write 3 lines with x and y each, or a JSON list of 3 pairs"),
        (b"1 2\n3 4\n", "are 2 and not 3"),
        (b"1 2\n3 4\n5\n", "are not pairs of numbers"),
        (b"1 2\n3 4\n5 6 7\n", "are not pairs of numbers"),
        (b"1 2\n3 4\n5 six\n", "are not pairs of numbers"),
        (b"1 2\n3 4\n5 nan\n", "are not all finite numbers"),
        (b"1 2\n3 4\n5 1e999\n", "are not all finite numbers"),
        (b"[[1, 2], [3, 4]", "are not pairs of numbers"),
        (b"[1, 2, 3, 4, 5, 6]", "are not pairs of numbers"),
        (b"[[1, 2], [3, 4], [5, null]]", "are not pairs of numbers"),
        (b"[" * 100_000, "are not pairs of numbers"),
        (b"[[1, 2], [3, 4], [5, 1" + b"0" * 400 + b"]]", "are not pairs of numbers"),
        (b"\xff\xfe\x00", "are not pairs of numbers"),
        (b"1 2\n" * 300_000, "are more than 1 MB"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "landmarks.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_landmarks(tmp_path / "landmarks.txt", 3)


def test_files_that_are_missing_or_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.txt cannot be read \(No such file or directory\)"):
        read_landmarks(tmp_path / "missing.txt", 3)
    with pytest.raises(InputError, match="are not a file; give a file with 3 of them"):
        read_landmarks(tmp_path, 3)
