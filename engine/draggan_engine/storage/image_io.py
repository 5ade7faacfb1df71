"""Picture files: those that are written say that they are generated; masks are read and written. No torch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from draggan_engine.core.edit import Edit, Mask
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size

from .atomic import atomic_write
from .output_paths import IMAGE_SUFFIXES, check_suffix

SOFTWARE = "draggan-tui"
# IPTC Photo Metadata: digital source type of pictures made by a trained algorithm.
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_XMP = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def provenance(model: str, edit: Edit) -> dict[str, str]:
    """What a file says about where its picture comes from."""
    said = {"Software": SOFTWARE, "Model": model}
    if edit.source.from_file:
        return said | {"Latent": "given"}
    return said | {"Seed": str(edit.source.seed)} | ({"Class": str(edit.source.label)} if edit.source.label else {})


def write_image(path: Path, rgb: NDArray[np.uint8], *, model: str, edit: Edit) -> None:
    """A picture that says that it is generated; the path's suffix tells which kind. WebP is lossless, as PNG is.

    Args:
        rgb: `uint8 [H, W, 3]`, the edit's picture or that of a drag on it.

    Raises:
        OutputError: a suffix that is none of `PICTURES`.
        StorageError: it cannot be written.
    """
    suffix = check_suffix(path, IMAGE_SUFFIXES)
    said = provenance(model, edit)
    with atomic_write(path) as part:
        if suffix == ".png":
            info = PngImagePlugin.PngInfo()
            for name, value in said.items():
                info.add_text(name, value)
            info.add_itxt("XML:com.adobe.xmp", _XMP)
            Image.fromarray(rgb).save(part, format="PNG", pnginfo=info)
        else:
            exif = Image.Exif()
            exif[ExifTags.Base.Software] = SOFTWARE
            exif[ExifTags.Base.ImageDescription] = "; ".join(f"{name}: {value}" for name, value in said.items())
            Image.fromarray(rgb).save(part, format="WEBP", lossless=True, xmp=_XMP.encode(), exif=exif)


def read_mask(path: Path, picture: Size) -> tuple[Mask, bool]:
    """Read a mask file: what is at least half bright may move. Returns the mask and whether it was resized to the image.

    Half of what the file can hold: 128 of 8 bits, 32768 of 16, 0.5 of floats. What is transparent may not move, and a
    photograph's orientation is applied.

    Raises:
        EditError: not an image, too large a one, of another aspect ratio, or all zero.
    """
    grey = _read_grey(path)
    resized = grey.size != (picture.width, picture.height)
    if resized and grey.width * picture.height != grey.height * picture.width:
        raise EditError(
            f"mask {path}: it is {grey.width}×{grey.height} pixels, the image {picture.width}×{picture.height}; "
            "give one of the same size or the same aspect ratio"
        )
    if resized:
        grey = grey.resize((picture.width, picture.height), Image.Resampling.BOX)
    array = (np.asarray(grey) >= 128).astype(np.uint8)
    if not array.any():
        raise EditError(f"mask {path}: it is all zero, so nothing may move; paint white where the image may move")
    return Mask.from_array(array), resized


def _read_grey(path: Path) -> Image.Image:
    """Read a file and return its brightness; see `_to_grey`.

    Raises:
        EditError: it is not an image, or too large a one.
    """
    try:
        if path.exists() and not path.is_file():
            raise EditError(f"mask {path}: it is not a file; give a PNG of the image's size")  # a pipe would never end
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return _to_grey(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise EditError(
            f"mask {path}: it has more than {(Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels; "
            "give a PNG of the image's size"
        ) from error
    except UnidentifiedImageError as error:
        raise EditError(f"mask {path}: it is not an image file; give a PNG of the image's size") from error
    except (OSError, SyntaxError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise EditError(
            f"mask {path}: it cannot be read as an image ({why}); give a PNG of the image's size"
        ) from error


def _to_grey(image: Image.Image) -> Image.Image:
    """Return an image's brightness in 8 bits (mode L), black where it is transparent.

    Raises:
        ValueError: its values are outside the range of its kind, or it cannot be decoded.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        brightest = 1.0 if image.mode == "F" else 65535.0
        values = np.asarray(image, np.float64)
        if not ((values >= 0) & (values <= brightest)).all():  # nor is NaN
            raise ValueError(f"its values are not between 0 and {brightest:g}")
        return Image.fromarray((values / brightest * 255 + 0.5).astype(np.uint8))
    if image.has_transparency_data:
        visible = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", visible.size, "black"), visible)
    return image.convert("L")


def write_mask(path: Path, mask: Mask) -> None:
    """A mask as a PNG of its size: 255 = may move.

    Raises:
        StorageError: it cannot be written.
    """
    with atomic_write(path) as part:
        Image.fromarray(mask.to_array() * np.uint8(255)).save(part, format="PNG")
