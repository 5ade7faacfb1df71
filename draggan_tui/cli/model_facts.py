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


def print_model_facts(model_spec: str, *, as_json: bool) -> None:
    """Print the facts of a model.

    Args:
        model_spec: a name or a path.

    Raises:
        CheckpointError: the model cannot be used.
    """
    with load_progress() as report_progress:
        loaded_model = load_model(model_spec, "cpu", report_progress)
    feature_height = loaded_model.generator.synthesis.feature_height(loaded_model.info.settings.feature_block)
    try:
        network = loaded_model.load_discriminator()
        discriminator_text = (
            "none" if network is None else f"{sum(p.numel() for p in network.parameters()):,} parameters"
        )
    except CheckpointError as load_error:
        discriminator_text = str(load_error)
    if as_json:
        print(
            json.dumps(
                {**loaded_model.info.model_dump(), "path": str(loaded_model.path), "discriminator": discriminator_text}
            )
        )
        return
    facts_table = Table.grid(padding=(0, 2))
    for fact_label, fact_text in model_facts(loaded_model.info, loaded_model.path, discriminator_text, feature_height):
        facts_table.add_row(Text(fact_label, style="dim"), Text(fact_text, overflow="fold"))
    unwrapped_console().print(facts_table)


def model_facts(
    info: ModelInfo, model_path: Path, discriminator_text: str, feature_height: int
) -> list[tuple[str, str]]:
    """Return the label and the value of each line of `models info`.

    Args:
        feature_height: of the map of the feature block, in its own pixels.
    """
    settings = info.settings
    rows_text = f"{settings.layers} of {info.num_ws} rows of ws: {info.rows[0]} … {info.rows[settings.layers - 1]}"
    feature_width = feature_height * info.width // info.height
    return [
        ("name", info.name),
        ("file", str(model_path)),
        ("format", info.format),
        ("sha256", info.sha256),
        ("licence", info.licence or "not known; ask its publisher"),
        ("family", info.family),
        ("image", f"{info.width}×{info.height}"),
        ("classes", str(info.classes) if info.classes else "none (unconditional)"),
        (
            "z, w",
            f"{info.z_dim}, {info.w_dim}; {info.mapping_layers} mapping layers, {info.num_ws} rows of ws",
        ),
        ("average w", _average_text(info)),
        ("generator", f"{info.parameters:,} parameters; blocks {' '.join(info.blocks)}"),
        ("discriminator", discriminator_text),
        ("drag moves", f"the first {rows_text} (setting: layers)"),
        ("drag looks at", f"{settings.feature_block}, {feature_width}×{feature_height} (setting: feature block)"),
        (
            "drag uses",
            f"{settings.method}, r1 {settings.r1:g} px, r2 {settings.r2:g} px, λ {settings.mask_weight:g}, step {settings.step_size:g}, "
            f"ψ {info.psi:g}",
        ),
    ]


def _average_text(info: ModelInfo) -> str:
    if info.is_w_average_estimated:
        return "not in the file; estimated from 10,000 random z when ψ is not 1"
    return "from the file"
