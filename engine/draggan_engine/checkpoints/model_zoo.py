"""The well-known public checkpoints that can be pulled by name, and what their publishers say of them.

The table is known.toml, beside this file. It holds addresses and facts from public pages, never weights; what no page
confirms is absent from it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

Family = Literal["StyleGAN2", "StyleGAN3-t", "StyleGAN3-r"]
Format = Literal["pytorch-pickle", "tensorflow-pickle"]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Https = Annotated[str, StringConstraints(pattern=r"^https://[^\s/]+\S*$")]
_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class PublicCheckpoint(BaseModel):
    """One row of the table.

    Attributes:
        name: what `models pull` takes; lower case, unique.
        shows: what its pictures show.
        width, height: of its pictures, in pixels.
        file: the name that its publisher gave the file.
        format: which program wrote the pickle.
        bytes: the exact size of the file, if it is known.
        about_mb: its size in units of 10⁶ bytes, if only a rounded one is known.
        sha256: the sum that a download must have; from its publisher, or the same in two separate places.
        seen_sha256: the sum of one public copy. It recognises a file but refuses none: the copy may be the odd one.
        url: of the file itself; None: it can be had from `home` only, by hand.
        home: the page of the model.
        licence: what its publisher allows, in one line for the user.
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
    home: _Https
    licence: _Text

    @model_validator(mode="after")
    def _consistent(self) -> PublicCheckpoint:
        if self.url is not None and self.url.rpartition("/")[2] != self.file:
            raise ValueError("url does not end in file")
        if self.sha256 is not None and self.seen_sha256 is not None:
            raise ValueError("a row with sha256 needs no seen_sha256")
        if self.bytes is not None and self.about_mb is not None:
            raise ValueError("a row with bytes needs no about_mb")
        return self


@cache
def public_checkpoints() -> tuple[PublicCheckpoint, ...]:
    """The whole table, in its own order."""
    text = (resources.files(__package__) / "model_zoo.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    licences = table["licences"]
    return tuple(PublicCheckpoint(**{**row, "licence": licences[row["licence"]]}) for row in table["models"])


def find_public_checkpoint(name: str) -> PublicCheckpoint | None:
    """The model of that name; None if the table has none."""
    return next((model for model in public_checkpoints() if model.name == name), None)


def find_licence(sha256: str | None, size: int, file_name: str) -> str | None:
    """What the publisher of a file allows; None if the file is not one of the table.

    Args:
        sha256: the file's sum in lower-case hexadecimal digits; None if nobody has computed it.
        size: of the file, in bytes.
        file_name: without its folder.

    A sum that the table has decides. Without one, a file counts as a known one if both its size and its name are that
    one's, unless its sum is known to be another.
    """
    models = public_checkpoints()
    if sha256 is not None:
        for model in models:
            if sha256 in (model.sha256, model.seen_sha256):
                return model.licence
    for model in models:
        other_file = sha256 is not None and model.sha256 is not None
        if not other_file and model.bytes == size and model.file == file_name:
            return model.licence
    return None
