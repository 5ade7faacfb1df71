"""The public checkpoints that can be downloaded by name, and what their publishers say about them.

The table is model_zoo.toml in this directory. It holds addresses and facts from public pages, and never weights. Facts that
no page confirms are left out.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

Family = Literal["StyleGAN2", "StyleGAN3-t", "StyleGAN3-r", "StyleGAN-XL"]
Format = Literal["pytorch-pickle", "tensorflow-pickle"]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Https = Annotated[str, StringConstraints(pattern=r"^https://[^\s/]+\S*$")]
_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class PublicCheckpoint(BaseModel):
    """One row of the table.

    Attributes:
        name: the argument of `models pull`; lower case, unique.
        shows: the subject of the images.
        width, height: of the images, in pixels.
        file: the name that the publisher gave the file.
        format: the program that wrote the pickle.
        bytes: the exact size of the file, if it is known.
        about_mb: the size in units of 10⁶ bytes, if only a rounded one is known.
        sha256: the checksum that a download must have; stated by the publisher, or the same in two independent places.
        seen_sha256: the checksum of one public copy. It identifies a file, but refuses none, because other copies may
            differ.
        url: of the file itself, where its publisher keeps it; None if that is no direct address.
        mirror: of another copy, which must have the checksum above. It is used if `url` is None or fails.
        home: the page of the model.
        licence: what the publisher allows, in one line for the user.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    family: Family
    shows: _Text
    width: int
    height: int
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    format: Format
    bytes: int | None = None
    about_mb: int | None = None
    sha256: _Sha256 | None = None
    seen_sha256: _Sha256 | None = None
    url: _Https | None = None
    mirror: _Https | None = None
    home: _Https
    licence: _Text

    @model_validator(mode="after")
    def _check_consistency(self) -> PublicCheckpoint:
        if self.url is not None and self.url.rpartition("/")[2] != self.file:
            raise ValueError("url does not end in file")
        if self.mirror is not None and self.sha256 is None and self.seen_sha256 is None:
            raise ValueError("a mirror needs a checksum")
        if self.sha256 is not None and self.seen_sha256 is not None:
            raise ValueError("a row with sha256 needs no seen_sha256")
        if self.bytes is not None and self.about_mb is not None:
            raise ValueError("a row with bytes needs no about_mb")
        return self

    @property
    def is_downloadable(self) -> bool:
        """Whether the file can be downloaded by a program; otherwise it must be downloaded by hand from `home`."""
        return self.url is not None or self.mirror is not None


@cache
def public_checkpoints() -> tuple[PublicCheckpoint, ...]:
    """Return the whole table, in its own order."""
    toml_text = (resources.files(__package__) / "model_zoo.toml").read_text(encoding="utf-8")
    table = tomllib.loads(toml_text)
    licences = table["licences"]
    return tuple(PublicCheckpoint(**{**row, "licence": licences[row["licence"]]}) for row in table["models"])


def find_public_checkpoint(name: str) -> PublicCheckpoint | None:
    """Return the checkpoint of that name; None if the table has none."""
    return next((checkpoint for checkpoint in public_checkpoints() if checkpoint.name == name), None)


def find_licence(sha256: str | None, size: int, file_name: str) -> str | None:
    """Return what the publisher of a file allows; None if the file is not in the table.

    A checksum in the table identifies the file. Otherwise the file is identified by its size and its name, unless the
    table has another checksum for that file.

    Args:
        sha256: the checksum of the file in lower-case hexadecimal digits; None if it has not been computed.
        size: of the file, in bytes.
        file_name: without its directory.
    """
    checkpoints = public_checkpoints()
    if sha256 is not None:
        for checkpoint in checkpoints:
            if sha256 in (checkpoint.sha256, checkpoint.seen_sha256):
                return checkpoint.licence
    for checkpoint in checkpoints:
        has_other_sha256 = sha256 is not None and checkpoint.sha256 is not None
        if not has_other_sha256 and checkpoint.bytes == size and checkpoint.file == file_name:
            return checkpoint.licence
    return None
