"""Files with the landmarks of a face as numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.errors import InputError

_MAX_BYTES = 1_000_000
_SEPARATOR = re.compile(r"[\s,;]+")


def read_landmarks(path: Path, landmark_count: int) -> NDArray[np.float64]:
    """Read landmarks, `[landmark_count, 2]` (x, y).

    The file is a JSON list of pairs, or text in which each line has the two numbers of a landmark.

    Raises:
        InputError: the file cannot be read or does not hold this many pairs of finite numbers.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would never end
            raise InputError(f"the landmarks {path} are not a file; give a file with {landmark_count} of them")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as read_error:
        raise InputError(
            f"the landmarks {path} cannot be read ({read_error.strerror}); give a file with {landmark_count} of them"
        ) from read_error
    advice = f"write {landmark_count} lines with x and y each, or a JSON list of {landmark_count} pairs"
    if len(content) > _MAX_BYTES:
        raise InputError(f"the landmarks {path} are more than {_MAX_BYTES / 1e6:.0f} MB; {advice}")
    try:
        landmarks = _parse(content.decode("utf-8-sig"))
    except (ValueError, TypeError, OverflowError, RecursionError) as parse_error:
        raise InputError(f"the landmarks {path} are not pairs of numbers; {advice}") from parse_error
    if landmarks.shape != (landmark_count, 2):
        raise InputError(f"the landmarks {path} are {len(landmarks)} and not {landmark_count}; {advice}")
    if not np.isfinite(landmarks).all():
        raise InputError(f"the landmarks {path} are not all finite numbers; {advice}")
    return landmarks


def _parse(text: str) -> NDArray[np.float64]:
    """Return the pairs of numbers in a text, `[N, 2]`.

    Raises:
        ValueError, TypeError, OverflowError, RecursionError: it does not consist of such pairs.
    """
    if text.lstrip().startswith("["):
        pairs = json.loads(text)
    else:
        pairs = [_SEPARATOR.split(line.strip()) for line in text.splitlines() if line.strip()]
    coordinates = [(float(x), float(y)) for x, y in pairs]
    return np.array(coordinates, np.float64).reshape(-1, 2)
