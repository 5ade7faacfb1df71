"""Photographs of all modes are read as RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from draggan_engine.storage.image_io import read_photograph


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "CMYK", "YCbCr"])
def test_a_white_image_of_any_mode_is_white(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("photo.jpg" if mode in ("CMYK", "YCbCr") else "photo.png")
    Image.new("RGB", (20, 10), "white").convert(mode).save(path)
    photograph = read_photograph(path)
    assert (photograph.shape, photograph.dtype) == ((10, 20, 3), np.uint8)
    assert photograph.min() >= 254


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    Image.fromarray(np.full((10, 20), 40000, np.uint16)).save(tmp_path / "photo.png")
    assert np.array_equal(np.unique(read_photograph(tmp_path / "photo.png")), [156])


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 10), (200, 0, 0, 0)).save(tmp_path / "photo.png")
    assert read_photograph(tmp_path / "photo.png").min() == 255


def test_the_orientation_of_the_camera_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 10), "black")
    image.paste("white", (0, 0, 10, 10))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the top of the scene is at the right of the stored image
    image.save(tmp_path / "photo.png", exif=exif)
    photograph = read_photograph(tmp_path / "photo.png")
    assert photograph.shape == (20, 10, 3)
    assert photograph[:10].min() == 255
    assert photograph[10:].max() == 0
