"""Picture files: those that are written say that they are generated; masks are read and written. No torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin

from .protocol.atomic import atomic_write
from .protocol.edit import Edit, Mask
from .protocol.errors import EditError
from .protocol.geometry import Size
from .protocol.output import PICTURES, check_file

SOFTWARE = "draggan-tui"
# IPTC Photo Metadata: digital source type of pictures made by a trained algorithm.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_XMP = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def origin(model: str, edit: Edit) -> dict[str, str]:
    """What a file says about where its picture comes from."""
    said = {"Software": SOFTWARE, "Model": model}
    if edit.given:
        return said | {"Latent": "given"}
    return said | {"Seed": str(edit.seed)} | ({"Class": str(edit.label)} if edit.label else {})


def write_picture(path: Path, rgb: NDArray[np.uint8], *, model: str, edit: Edit) -> None:
    """A picture that says that it is generated; the path's suffix tells which kind. WebP is lossless, as PNG is.

    Args:
        rgb: `uint8 [H, W, 3]`, the edit's picture or that of a drag on it.

    Raises:
        OutputError: a suffix that is none of `PICTURES`.
        StorageError: it cannot be written.
    """
    suffix = check_file(path, PICTURES)
    said = origin(model, edit)
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
    """A mask file: bright = may move. Returns the mask and whether it was resized to the picture.

    Raises:
        EditError: not a picture, of another aspect ratio, or all zero.
    """
    if path.exists() and not path.is_file():
        raise EditError(f"mask {path}: it is no file; give a PNG of the picture's size")  # a pipe would wait for ever
    try:
        with Image.open(path) as image:
            grey = image.convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        why = getattr(error, "strerror", None) or error
        raise EditError(
            f"mask {path}: it cannot be read as a picture ({why}); give a PNG of the picture's size"
        ) from error
    resized = grey.size != (picture.width, picture.height)
    if resized and grey.width * picture.height != grey.height * picture.width:
        raise EditError(
            f"mask {path}: it is {grey.width}×{grey.height} pixels, the picture {picture.width}×{picture.height}; "
            "give one of the same size or the same aspect ratio"
        )
    if resized:
        grey = grey.resize((picture.width, picture.height), Image.Resampling.BOX)
    array = (np.asarray(grey) >= 128).astype(np.uint8)
    if not array.any():
        raise EditError(f"mask {path}: it is all zero, so nothing may move; paint white where the picture may move")
    return Mask.from_array(array), resized


def write_mask(path: Path, mask: Mask) -> None:
    """A mask as a PNG of its size: 255 = may move.

    Raises:
        StorageError: it cannot be written.
    """
    with atomic_write(path) as part:
        Image.fromarray(mask.to_array() * np.uint8(255)).save(part, format="PNG")
