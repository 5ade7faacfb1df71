"""The area of the session's photograph that the generator can show, as a mask of what may move."""

from __future__ import annotations

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import Mask
from draggan_engine.core.errors import EditError, Remedy
from draggan_engine.networks.generator_tuning import own_feature_area
from draggan_engine.storage.inversion_files import read_inversion
from draggan_engine.storage.session_store import SessionStore

MIN_SHARE_OF_OWN_FEATURES = 0.5  # in a pixel that may move
MAX_OFFERED_SHARE = 0.95  # of the image; a mask that holds less hardly changes a drag


def mask_of_inversion(model: Model) -> Mask | None:
    """Return where the model's image of the photograph is made of its own features, which drags can move. Outside this
    area, features that were fitted to the photograph take their place.

    Returns:
        A mask of the size of the model's images; None: all of the photograph's image is made of the model's own features.
    """
    if model.photograph_generator is None:
        return None
    area = own_feature_area(model.photograph_generator.synthesis)
    return None if area is None else Mask.from_array((area[0, 0] >= MIN_SHARE_OF_OWN_FEATURES).byte().cpu().numpy())


def is_worth_offering(mask: Mask | None) -> bool:
    """Return whether a mask lets a part of the image move, and holds a part that matters."""
    return mask is not None and 0 < mask.share <= MAX_OFFERED_SHARE


def useful_mask_of_inversion(model: Model, store: SessionStore) -> Mask:
    """Return the mask from the inversion of a session's photograph.

    Raises:
        EditError: the inversion has no area that could be a mask, or it is the whole image or nothing of it.
        InputError: the record of the inversion cannot be read.
    """
    mask = mask_of_inversion(model)
    if mask is None:
        raise _no_area(store)
    if mask.share == 1:
        raise _all_may_move()
    if mask.share == 0:
        raise EditError(
            "the model can show no part of this photograph, so as a mask this area would hold everything; invert the "
            "photograph again with more steps, or open a model of such images"
        )
    return mask


def _no_area(store: SessionStore) -> EditError:
    """Return why the generator of a session uses its own features everywhere.

    Raises:
        InputError: the record of the inversion cannot be read.
    """
    record = None if store.directory is None else read_inversion(store.directory)
    if record is None:
        return EditError(
            "this image does not come from a photograph, so no inversion has found a mask", Remedy.paint_mask
        )
    if record.method != "hybrid":
        return EditError(
            f"the inversion by {record.method} found no mask, because only hybrid looks for what the model can show",
            Remedy.paint_mask,
        )
    if not record.tuned:
        return EditError("the inversion has not tuned the model, so it found no mask", Remedy.paint_mask)
    return _all_may_move()


def _all_may_move() -> EditError:
    return EditError("the model can show the whole photograph: all of it may move, and no mask is needed")
