"""Picture files: those that are written say that they are generated, and masks are read. No torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from .protocol.atomic import atomic_write
from .protocol.edit import Edit, Mask
from .protocol.errors import EditError
from .protocol.geometry import Size

SOFTWARE = "draggan-tui"

# IPTC Photo Metadata: digital source type of pictures made by a trained algorithm, as XMP.
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def write_picture(path: Path, rgb: NDArray[np.uint8], *, model: str, edit: Edit) -> None:
    """A PNG that says that it is generated.

    Args:
        rgb: `uint8 [H, W, 3]`, the edit's picture or that of a drag on it.

    Raises:
        StorageError: it cannot be written.
    """
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", SOFTWARE)
    info.add_text("Model", model)
    if edit.given:
        info.add_text("Latent", "given")
    else:
        info.add_text("Seed", str(edit.seed))
        if edit.label:
            info.add_text("Class", str(edit.label))
    info.add_itxt("XML:com.adobe.xmp", _XMP)
    with atomic_write(path) as part:
        Image.fromarray(rgb).save(part, format="PNG", pnginfo=info)


def read_mask(path: Path, picture: Size) -> tuple[Mask, bool]:
    """A mask file: bright = may move. Returns the mask and whether it was resized to the picture.

    Raises:
        EditError: not a picture, of another aspect ratio, or all zero.
    """
    try:
        with Image.open(path) as image:
            grey = image.convert("L")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
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
