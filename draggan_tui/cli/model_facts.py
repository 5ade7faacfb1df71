"""Print what a model is, and what a drag on it uses."""

from __future__ import annotations

import json
from pathlib import Path

from rich.table import Table
from rich.text import Text

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.errors import CheckpointError
from draggan_engine.core.model_info import ModelInfo
from draggan_tui.cli.load_progress import load_progress
from draggan_tui.cli.model_list import unwrapped_console


def print_model_facts(spec: str, *, as_json: bool) -> None:
    """Print the facts of a model.

    Args:
        spec: a name or a path.

    Raises:
        CheckpointError: the model cannot be used.
    """
    with load_progress() as report_progress:
        model = load_model(spec, "cpu", report_progress)
    feature_height = model.generator.synthesis.feature_height(model.info.settings.feature_block)
    try:
        network = model.load_discriminator()
        discriminator = "none" if network is None else f"{sum(p.numel() for p in network.parameters()):,} parameters"
    except CheckpointError as error:
        discriminator = str(error)
    if as_json:
        print(json.dumps({**model.info.model_dump(), "path": str(model.path), "discriminator": discriminator}))
        return
    table = Table.grid(padding=(0, 2))
    for label, value in model_facts(model.info, model.path, discriminator, feature_height):
        table.add_row(Text(label, style="dim"), Text(value, overflow="fold"))
    unwrapped_console().print(table)


def model_facts(info: ModelInfo, path: Path, discriminator: str, feature_height: int) -> list[tuple[str, str]]:
    """Return the label and the value of each line of `models info`.

    Args:
        feature_height: of the map of the feature block, in its own pixels.
    """
    settings = info.settings
    rows = f"{settings.layers} of {info.num_ws} rows of ws: {info.rows[0]} … {info.rows[settings.layers - 1]}"
    feature_width = feature_height * info.width // info.height
    return [
        ("name", info.name),
        ("file", str(path)),
        ("format", info.format),
        ("sha256", info.sha256),
        ("licence", info.licence or "not known; ask its publisher"),
        ("family", info.family),
        ("image", f"{info.width}×{info.height}"),
        ("classes", str(info.classes) if info.classes else "none (unconditional)"),
        ("z, w", f"{info.z_dim}, {info.w_dim}; {info.mapping_layers} mapping layers, {info.num_ws} rows of ws"),
        ("generator", f"{info.parameters:,} parameters; blocks {' '.join(info.blocks)}"),
        ("discriminator", discriminator),
        ("drag moves", f"the first {rows} (setting: layers)"),
        ("drag looks at", f"{settings.feature_block}, {feature_width}×{feature_height} (setting: feature block)"),
        (
            "drag uses",
            f"r1 {settings.r1:g} px, r2 {settings.r2:g} px, λ {settings.mask_weight:g}, step {settings.step_size:g}, ψ {info.psi:g}",
        ),
    ]
