"""Read the root object of a file, as the loader does before it looks for a network."""

from __future__ import annotations

from pathlib import Path

from draggan_engine.checkpoints.checkpoint_file import open_checkpoint
from draggan_engine.checkpoints.unpickling.safe_unpickle import read_root_object


def read_pickle(path: Path) -> object:
    """Return the root object of a pickle or `torch.save` file.

    Raises:
        CheckpointError: see `read_root_object`.
    """
    with open_checkpoint(path) as file:
        return read_root_object(file)
