"""Image files: generated images, which state where they come from, masks, and photographs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from draggan_engine.core.edit import Edit, Mask
from draggan_engine.core.errors import EditError, OutputError
from draggan_engine.core.geometry import Size

from .atomic import atomic_write
from .output_paths import IMAGE_SUFFIXES, check_suffix

SOFTWARE = "draggan-tui"
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC Photo Metadata: the digital source type of images that a trained algorithm made."""

IMAGE_ERRORS = (
    OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What `open_image` and the use of its image raise for a file that is damaged, too large or not an image."""

COMPOSITE_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""The same of images that are generated only in part."""

MAX_WEBP_SIDE = 16383  # pixels; a limit of the format

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="%s"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file that somebody else may have written; one of more than 89 megapixels is refused by its header.

    Raises:
        IMAGE_ERRORS: the file cannot be opened as an image.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path) as image:
            yield image


def provenance(model: str, edit: Edit) -> dict[str, str]:
    """Return what a generated file states about its origin: the software, the model, and the seed or the latent file."""
    provenance_fields = {"Software": SOFTWARE, "Model": model}
    if edit.source.from_file:
        return provenance_fields | {"Latent": "given"}
    return (
        provenance_fields
        | {"Seed": str(edit.source.seed)}
        | ({"Class": str(edit.source.label)} if edit.source.label else {})
    )


def write_image(
    path: Path,
    rgb: NDArray[np.uint8],
    *,
    model: str,
    edit: Edit,
    source_type: str = DIGITAL_SOURCE_TYPE,
    icc_profile: bytes | None = None,
) -> None:
    """Write a generated image as a PNG or as a lossless WebP, depending on the path's suffix.

    Args:
        rgb: `uint8 [H, W, 3]`.
        edit: the edit whose image it is, or an earlier one that started from the same latent.
        source_type: IPTC's digital source type.
        icc_profile: of the colour space of the pixels; None: not stated.

    Raises:
        OutputError: the suffix is none of `IMAGE_SUFFIXES`, or the image is too large for a WebP.
        StorageError: the file cannot be written.
    """
    file_suffix = check_suffix(path, IMAGE_SUFFIXES)
    if file_suffix == ".webp" and max(rgb.shape) > MAX_WEBP_SIDE:
        raise OutputError(
            f"{path}: a WebP has at most {MAX_WEBP_SIDE} pixels at each side, and the image is "
            f"{rgb.shape[1]}×{rgb.shape[0]}; name a .png"
        )
    provenance_fields = provenance(model, edit)
    xmp = _XMP % source_type
    with atomic_write(path) as temporary_path:
        if file_suffix == ".png":
            png_info = PngImagePlugin.PngInfo()
            for field_name, field_value in provenance_fields.items():
                png_info.add_text(field_name, field_value)
            png_info.add_itxt("XML:com.adobe.xmp", xmp)
            Image.fromarray(rgb).save(temporary_path, format="PNG", pnginfo=png_info, icc_profile=icc_profile)
        else:
            exif_data = Image.Exif()
            exif_data[ExifTags.Base.Software] = SOFTWARE
            exif_data[ExifTags.Base.ImageDescription] = "; ".join(
                f"{field_name}: {field_value}" for field_name, field_value in provenance_fields.items()
            )
            Image.fromarray(rgb).save(
                temporary_path, format="WEBP", lossless=True, xmp=xmp.encode(), exif=exif_data, icc_profile=icc_profile
            )


def write_mask(path: Path, mask: Mask) -> None:
    """Write a mask as a PNG of its size: 255 = may move.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_write(path) as temporary_path:
        Image.fromarray(mask.to_array() * np.uint8(255)).save(temporary_path, format="PNG")


def read_mask(path: Path, image_size: Size) -> tuple[Mask, bool]:
    """Read a mask file as `read_mask_array` does, for an image of a model.

    Raises:
        EditError: as `read_mask_array`.
    """
    mask_array, is_resized = read_mask_array(path, image_size)
    return Mask.from_array(mask_array), is_resized


def read_mask_array(path: Path, image_size: Size) -> tuple[NDArray[np.uint8], bool]:
    """Read a mask file as `uint8 [H, W]`, 1 = may move: a pixel may move if it is at least half as bright as the file's format allows.

    That is 128 in 8 bits, 32768 in 16 bits and 0.5 in floats. Transparent pixels may not move, and the orientation of a
    photograph is applied.

    Returns:
        The mask at the size of the image, and whether it was resized to it.

    Raises:
        EditError: the file is not an image, is too large, has another aspect ratio, or is all zero.
    """
    grey_image = _read_image(path, "mask", "give a PNG of the image's size", _to_upright_grey)
    is_resized = grey_image.size != (image_size.width, image_size.height)
    if is_resized and grey_image.width * image_size.height != grey_image.height * image_size.width:
        raise EditError(
            f"mask {path} is {grey_image.width}×{grey_image.height} pixels, "
            f"the image {image_size.width}×{image_size.height}; give one of the same size or the same aspect ratio"
        )
    if is_resized:
        grey_image = grey_image.resize((image_size.width, image_size.height), Image.Resampling.BOX)
    mask_array = (np.asarray(grey_image) >= 128).astype(np.uint8)
    if not mask_array.any():
        raise EditError(f"mask {path} is all zero, so nothing may move; paint white where the image may move")
    return mask_array, is_resized


def read_photograph(path: Path) -> NDArray[np.uint8]:
    """Read a photograph of any mode as `uint8 [H, W, 3]`, RGB.

    The orientation that the camera noted is applied, and transparent pixels are white. The pixels keep the colour space of
    the file. Values of 16 bits and floats are grey, as `read_mask` reads them.

    Raises:
        EditError: the file is not an image, is too large, is an animation, or cannot be decoded.
    """
    return np.array(_read_image(path, "photograph", "give a JPEG, PNG or WebP", _to_upright_rgb))


def read_icc_profile(path: Path) -> bytes | None:
    """Return the colour profile of a photograph; None if it has none, or not one of RGB.

    Raises:
        IMAGE_ERRORS: the file cannot be opened as an image.
    """
    with open_image(path) as image:
        icc_profile: bytes | None = image.info.get("icc_profile")
    is_rgb = icc_profile is not None and icc_profile[16:20] == b"RGB "
    return icc_profile if is_rgb else None


def _read_image(path: Path, kind: str, advice: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Return what `convert` makes of an image file.

    Args:
        kind: what the image is for, and `advice` which file to give instead, for messages.

    Raises:
        EditError: the file is not an image, is too large, or cannot be decoded or converted.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would never end
            raise EditError(f"{kind} {path} is not a file; {advice}")
        with open_image(path) as image:
            return convert(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as read_error:
        raise EditError(
            f"{kind} {path} has more than {(Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels; {advice}"
        ) from read_error
    except UnidentifiedImageError as read_error:
        raise EditError(f"{kind} {path} is not an image file; {advice}") from read_error
    except (OSError, SyntaxError, ValueError) as read_error:
        error_reason = getattr(read_error, "strerror", None) or read_error
        raise EditError(f"{kind} {path} cannot be read as an image ({error_reason}); {advice}") from read_error


def _to_upright_rgb(image: Image.Image) -> Image.Image:
    """Return an image in RGB, in the orientation that the camera noted, and white where it is transparent.

    Raises:
        ValueError: it is an animation, or as `_to_grey`.
    """
    if getattr(image, "is_animated", False) and image.format != "MPO":  # the further images of an MPO are previews
        raise ValueError("it is an animation")
    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        return _to_grey(image).convert("RGB")
    if image.has_transparency_data:
        rgba_image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba_image.size, "white"), rgba_image)
    return image.convert("RGB")


def _to_upright_grey(image: Image.Image) -> Image.Image:
    return _to_grey(ImageOps.exif_transpose(image))


def _to_grey(image: Image.Image) -> Image.Image:
    """Return the brightness of an image in 8 bits (mode L), black where it is transparent.

    Raises:
        ValueError: its values exceed the range of its format, or it cannot be decoded.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        max_brightness = 1.0 if image.mode == "F" else 65535.0
        brightness_values = np.asarray(image, np.float64)
        if not ((brightness_values >= 0) & (brightness_values <= max_brightness)).all():  # also refuses NaN
            raise ValueError(f"its values are not between 0 and {max_brightness:g}")
        return Image.fromarray((brightness_values / max_brightness * 255 + 0.5).astype(np.uint8))
    if image.has_transparency_data:
        rgba_image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba_image.size, "black"), rgba_image)
    return image.convert("L")
