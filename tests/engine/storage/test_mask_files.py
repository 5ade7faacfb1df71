"""Mask files of all common kinds: 16 bits, transparency, a photograph's orientation, palettes, floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size
from draggan_engine.storage.image_io import read_mask
from tests.support.paths import FIXTURES
from tests.support.png_header import png_header

MASKS = FIXTURES / "masks"
LEFT = np.zeros((8, 16), np.uint8)  # the left quarter may move
LEFT[:, :4] = 255
SHARE = 0.25


@pytest.mark.parametrize("name", ["i16_dark.png", "rgba_white_transparent.png"])
def test_the_fixtures_allow_the_same_share_to_move(name: str) -> None:
    """The first has the values 600 and 65535, so the threshold is 32768. The second is white and mostly transparent."""
    mask, resized = read_mask(MASKS / name, Size(256, 256))
    assert not resized
    assert mask.share == pytest.approx(11497 / 65536)


def with_alpha() -> Image.Image:
    white = Image.new("RGB", (16, 8), "white")
    white.putalpha(Image.fromarray(LEFT))
    return white


def with_transparent_colour(mode: str) -> Image.Image:
    """Return an image whose right part is a grey that the file declares transparent."""
    image = Image.fromarray(np.where(LEFT > 0, LEFT, 200).astype(np.uint8))
    if mode == "P":
        image = image.convert("P")
    image.info["transparency"] = 200
    return image


KINDS = {
    "l.png": Image.fromarray(LEFT),
    "l.tif": Image.fromarray(LEFT),
    "one_bit.png": Image.fromarray(LEFT).convert("1"),
    "rgb.bmp": Image.fromarray(LEFT).convert("RGB"),
    "cmyk.tif": Image.fromarray(LEFT).convert("RGB").convert("CMYK"),
    "palette.gif": Image.fromarray(LEFT).convert("P"),
    "i16.png": Image.fromarray(LEFT.astype(np.uint16) * 257),
    "i16_half.png": Image.fromarray(np.where(LEFT > 0, 32768, 32767).astype(np.uint16)),
    "i16_big_endian.tif": Image.fromarray((LEFT.astype(np.uint16) * 257).astype(">u2")),
    "i32.tif": Image.fromarray(LEFT.astype(np.int32) * 257),
    "float.tif": Image.fromarray((LEFT / 255).astype(np.float32)),
    "rgba.png": with_alpha(),
    "la.png": with_alpha().convert("LA"),
    "rgba.webp": with_alpha(),
    "transparent_grey.png": with_transparent_colour("L"),
    "transparent_palette.png": with_transparent_colour("P"),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_image_format_is_read_in_its_own_range(name: str, tmp_path: Path) -> None:
    options = {"lossless": True} if name.endswith(".webp") else {}
    KINDS[name].save(tmp_path / name, **options)
    mask, _ = read_mask(tmp_path / name, Size(16, 8))
    assert (mask.to_array() == (LEFT > 0)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photographs_orientation_is_applied(orientation: int, tmp_path: Path) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    image = Image.fromarray(LEFT)
    stored = image if orientation == 1 else image.transpose(undo[orientation])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    mask, resized = read_mask(tmp_path / "photo.png", Size(16, 8))
    assert not resized
    assert (mask.to_array() == (LEFT > 0)).all()


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("float.tif", LEFT.astype(np.float32), "its values are not between 0 and 1\\)"),
        ("nan.tif", np.full((8, 16), np.nan, np.float32), "its values are not between 0 and 1\\)"),
        ("i32.tif", LEFT.astype(np.int32) * 65537, "its values are not between 0 and 65535"),
        ("negative.tif", -LEFT.astype(np.int32), "its values are not between 0 and 65535"),
        ("clear.png", np.zeros((8, 16, 4), np.uint8), "is all zero"),
    ],
)
def test_values_outside_the_range_are_refused(name: str, values: np.ndarray, reason: str, tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / name)
    with pytest.raises(EditError, match=f"mask {tmp_path / name} .*{reason}"):
        read_mask(tmp_path / name, Size(16, 8))


@pytest.mark.parametrize(("side", "pixels"), [(12_000, "144"), (40_000, "1600")])
def test_a_huge_mask_is_refused_by_its_header(side: int, pixels: str, tmp_path: Path) -> None:
    path = tmp_path / f"{pixels}.png"
    path.write_bytes(png_header(side))
    with pytest.raises(EditError, match=f"{pixels}.png has more than 89 megapixels; give a PNG of the image's size"):
        read_mask(path, Size(16, 8))


def test_a_name_that_is_too_long_is_reported(tmp_path: Path) -> None:
    with pytest.raises(EditError, match="File name too long"):
        read_mask(tmp_path / f"{'m' * 300}.png", Size(16, 8))
