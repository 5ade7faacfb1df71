"""`draggan-tui render`: write the image of a seed or a stored latent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draggan_engine.core.latent_ref import LatentRef
from draggan_tui import SCRIPT_MODEL
from draggan_tui.cli.options import (
    ClassOption,
    DeviceOption,
    LatentOption,
    ModelOption,
    PsiOption,
    SeedOption,
    path_parser,
)


def render_image(
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", parser=path_parser("--out"), help="The image to write: .png, or .webp (lossless)."
        ),
    ],
    seed: SeedOption = 42,
    model: ModelOption = SCRIPT_MODEL,
    psi: PsiOption = None,
    class_label: ClassOption = 0,
    latent: LatentOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Write the full-resolution image of a seed."""
    from draggan_engine.checkpoints.loader import load_model
    from draggan_engine.core.edit import Edit
    from draggan_engine.server.edit_images import image_of
    from draggan_engine.server.session_model import with_session_tuning
    from draggan_engine.storage.image_io import write_image
    from draggan_engine.storage.output_paths import IMAGE_SUFFIXES, check_output_file
    from draggan_tui.cli.headless_drag import new_store

    check_output_file(out, IMAGE_SUFFIXES)
    loaded_model = load_model(model, device)
    edit = Edit(
        model=loaded_model.name,
        source=LatentRef(
            seed=seed,
            psi=loaded_model.info.psi if psi is None else psi,
            label=class_label,
            from_file=latent is not None,
        ),
    )
    session_store = new_store(loaded_model, edit, out_directory=None, latent_path=latent)
    loaded_model = with_session_tuning(loaded_model, session_store)
    write_image(out, image_of(loaded_model, session_store, edit), model=loaded_model.name, edit=edit)
