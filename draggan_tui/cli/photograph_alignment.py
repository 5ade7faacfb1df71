"""How a photograph is to be aligned, as the options of a command say it."""

from __future__ import annotations

from pathlib import Path

from draggan_engine.core.errors import EditError, InputError
from draggan_engine.core.geometry import Point
from draggan_engine.core.inversion_choices import AlignmentChoice
from draggan_tui.cli.options import PREDICTOR_LICENCE
from draggan_tui.cli.typed_points import parse_points


def read_alignment(
    align_text: str | None,
    onto_text: str | None,
    landmarks_path: Path | None,
    *,
    accepts_licence: bool,
    refine: bool | None,
) -> AlignmentChoice:
    """Return the alignment that the options of a command ask for.

    Args:
        align_text: `none`, `faces`, `ffhq`, or like `eyes=64,70:76,70`; None if nothing was typed.
        onto_text: like `64,70:76,70`, or None for the usual places of eyes.
        landmarks_path: a file with 68 landmarks, or None for those that dlib detects.
        accepts_licence: whether the user accepts the licence of dlib's 68 landmarks.
        refine: whether the alignment is refined by registration; None: if two points were typed.

    Raises:
        InputError: a text does not have the form that it should have, options contradict each other, or the licence has not
            been accepted.
    """
    points = _parse_eyes(align_text)
    points_in_model = _parse_onto(align_text, onto_text)
    if landmarks_path is not None and align_text != "ffhq":
        raise EditError("--landmarks: only FFHQ's crop uses them; add --align ffhq")
    if align_text == "ffhq" and landmarks_path is None and not accepts_licence:
        raise InputError(f"--align ffhq {PREDICTOR_LICENCE}, or give landmarks of your own with --landmarks FILE")
    if align_text == "ffhq" and refine:
        raise EditError("--refine: it would change FFHQ's crop; leave it out, or use --align faces")
    common = {
        "points_in_model": points_in_model,
        "landmarks_path": None if landmarks_path is None else str(landmarks_path),
        "refine": refine,
    }
    match align_text:
        case "faces" | "ffhq":
            return AlignmentChoice(how=align_text, **common)
        case "none":
            return AlignmentChoice(how="whole", **common)
        case None:
            return AlignmentChoice(how="same size", **common)
        case _:
            return AlignmentChoice(how="points", points=points, **common)


def _parse_eyes(align_text: str | None) -> tuple[Point, Point] | None:
    """Return the two points of the photograph; None if the alignment has none.

    Raises:
        EditError: the text has none of the forms that are possible.
    """
    how, _, points_text = (align_text or "none").partition("=")
    points = parse_points(points_text) if how == "eyes" else None
    if points is None and align_text not in (None, "none", "faces", "ffhq"):
        raise EditError(
            f"--align {align_text!r}: write eyes=X,Y:X,Y with two points of the photograph, in pixels, "
            "e.g. --align eyes=412,520:618,508; or faces, ffhq or none"
        )
    return points


def _parse_onto(align_text: str | None, onto_text: str | None) -> tuple[Point, Point] | None:
    if onto_text is None:
        return None
    points = parse_points(onto_text)
    if points is None:
        raise EditError(
            f"--onto {onto_text!r}: write it as X,Y:X,Y, two points of the model's image, in pixels, "
            "e.g. --onto 50,68:78,68"
        )
    if align_text in (None, "none", "ffhq"):
        raise EditError("--onto: it says where two points belong; give them too, with --align eyes=X,Y:X,Y")
    return points
