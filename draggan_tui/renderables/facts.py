"""What the inspector says, as text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.text import Text

from draggan_engine.protocol.edit import Edit, PointPair
from draggan_engine.protocol.geometry import Point, distance
from draggan_engine.protocol.messages import DragProgress, ModelInfo
from draggan_tui.document import Brush
from draggan_tui.themes import Rgb


def edit_facts(
    edit: Edit,
    device: str,
    cursor: Point | None,
    mask_share: float | None,
    brush: Brush,
    info: ModelInfo | None = None,
    given: str = "",
    color: Rgb | None = None,
    zoom: str = "",
) -> Text:
    """Model, device and family, seed, class (if the model has any), ψ and latent space, cursor, the colour under it (if
    there is a picture), mask, brush: a line each.

    Args:
        given: name of the file of the latent that may be started from.
        zoom: `3:1`, unless the whole picture is shown.
    """
    family = Text.assemble(device, "" if info is None else (f"   {info.family}", "dim"))
    classes = 0 if info is None else info.classes
    place = "–" if cursor is None else f"{cursor[0]:.1f}, {cursor[1]:.1f}"
    share = "none" if mask_share is None else f"{percent(mask_share)} may move"
    rows = (
        ("model", edit.model),
        ("device", family),
        ("seed", _start(edit, given)),
        *((("class", f"{edit.label} of 0…{classes - 1}"),) if classes else ()),
        ("ψ", f"{edit.psi:g}   space {edit.settings.space.upper()}"),
        ("cursor", place),
        *((("colour", _color(color, zoom)),) if color is not None else ()),
        ("mask", share),
        ("brush", f"{brush.size} round" if brush.round else str(brush.size)),
    )
    return Text("\n").join(Text.assemble((f"{label:<7}", "dim"), value) for label, value in rows)


def _color(color: Rgb, zoom: str) -> Text:
    """A swatch, `#a0b0c0`, and `zoom 3:1` when there is one."""
    name = "#{:02x}{:02x}{:02x}".format(*color)
    return Text.assemble(("  ", f"on {name}"), f" {name}", f"   zoom {zoom}" if zoom else "")


def _start(edit: Edit, given: str) -> str:
    """`7`, `7  after drag 2`, `from pivot.pt`, `drag 2, from pivot.pt`."""
    if edit.given:
        return f"drag {edit.latent}, from {given}" if edit.latent else f"from {given}"
    return f"{edit.seed}  after drag {edit.latent}" if edit.latent else str(edit.seed)


def percent(share: float) -> str:
    """`<1%`, `35%`, `>99%`: never 0% or 100% for what is neither nothing nor all."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"


def pair_line(number: int, pair: PointPair, handle: Point, selected: bool, flat: bool = False) -> Text:
    """`▸1 64,70→76,70 12.0`: where the handle is now, `~` if that is a flat patch, its target, the distance in pixels, or
    `off` of a disabled pair."""
    mark = "▸" if selected else " "
    start = f"{mark}{number} {handle[0]:.0f},{handle[1]:.0f}{'~' if flat else ''}"
    style = " ".join(word for word, holds in (("bold", selected), ("dim", not pair.enabled)) if holds)
    if pair.target is None:
        return Text(f"{start}→target?", style=style)
    left = f"{distance(handle, pair.target):.1f}" if pair.enabled else "off"
    return Text(f"{start}→{pair.target[0]:.0f},{pair.target[1]:.0f} {left}", style=style)


def pair_list(edit: Edit, handles: Sequence[Point], selected: int | None, flat: Collection[int] = frozenset()) -> Text:
    """All pairs, a line each; `handles` are where they are now, `flat` the pairs whose handles are on flat patches."""
    if not edit.pairs:
        return Text("no points yet: place\na handle, then its target", style="dim")
    pairs = enumerate(zip(edit.pairs, handles, strict=True))
    lines = (pair_line(i + 1, pair, handle, i == selected, i in flat) for i, (pair, handle) in pairs)
    return Text("\n").join(lines)


def progress_line(progress: DragProgress) -> Text:
    """`34/300  12.1 it/s  0:22 left`; led by hand, `34  12.1 it/s`."""
    if progress.max_steps is None:
        return Text(f"{progress.step}  {progress.steps_per_second:.1f} it/s")
    left = (progress.max_steps - progress.step) / max(progress.steps_per_second, 1e-6)
    minutes, seconds = divmod(round(min(left, 5999)), 60)
    return Text(
        f"{progress.step}/{progress.max_steps}  {progress.steps_per_second:.1f} it/s  {minutes}:{seconds:02} left"
    )


def seconds_text(seconds: float) -> str:
    """`0.8 s`, `12 s`, `3:07 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"
