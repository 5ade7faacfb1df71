"""The table of public checkpoints is consistent, and files are recognised by checksum, size and name."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from draggan_engine.checkpoints.model_zoo import (
    PublicCheckpoint,
    find_licence,
    find_public_checkpoint,
    public_checkpoints,
)

ROW = {
    "name": "a-1",
    "family": "StyleGAN2",
    "shows": "nothing",
    "width": 8,
    "height": 8,
    "file": "a.pkl",
    "format": "pytorch-pickle",
    "url": "https://example.org/a.pkl",
    "home": "https://example.org/",
    "licence": "none",
}


def test_the_table_is_read_once_and_covers_every_family() -> None:
    assert public_checkpoints() is public_checkpoints()
    assert {model.family for model in public_checkpoints()} == {
        "StyleGAN2",
        "StyleGAN3-t",
        "StyleGAN3-r",
        "StyleGAN-XL",
    }
    assert {model.format for model in public_checkpoints()} == {"pytorch-pickle", "tensorflow-pickle"}


@pytest.mark.parametrize("field", ["name", "url", "mirror", "sha256", "seen_sha256"])
def test_identifying_fields_are_unique(field: str) -> None:
    values = Counter(value for model in public_checkpoints() if (value := getattr(model, field)) is not None)
    assert values.most_common(1)[0][1] == 1


def test_no_checksum_is_both_proven_and_merely_seen() -> None:
    proven_checksums = {model.sha256 for model in public_checkpoints()} - {None}
    assert not proven_checksums & {model.seen_sha256 for model in public_checkpoints()}


@pytest.mark.parametrize("model", public_checkpoints(), ids=lambda model: model.name)
def test_a_row_of_the_table_is_consistent(model: PublicCheckpoint) -> None:
    assert find_public_checkpoint(model.name) is model
    assert model.home.startswith("https://")
    assert model.url is None or model.url.startswith("https://")
    assert len(model.licence) > 10
    assert all(text.isprintable() for text in (model.shows, model.licence, model.home))
    assert model.width & (model.width - 1) == model.height & (model.height - 1) == 0
    assert str(model.height) in model.name.split("-")
    assert model.bytes is None or 200e6 < model.bytes < 500e6
    assert model.family != "StyleGAN3-r" or "-r-" in model.file or "human_v3" in model.file
    assert model.mirror is None or model.mirror.rpartition("/")[2] == model.file
    if model.home.endswith(("stylegan3", "stylegan2")) or "NVlabs" in model.home:
        assert "non-commercial" in model.licence


def test_an_unknown_name_finds_nothing() -> None:
    assert find_public_checkpoint("no-such-model") is None
    assert find_public_checkpoint("SG2ADA-FFHQ-1024") is None


@pytest.mark.parametrize(
    "wrong_values",
    [
        {"name": "Upper-1"},
        {"url": "http://example.org/a.pkl"},
        {"url": "https://example.org/b.pkl"},
        {"home": "example.org"},
        {"sha256": "A" * 64},
        {"sha256": "a" * 64, "seen_sha256": "b" * 64},
        {"bytes": 1000, "about_mb": 1},
        {"licence": ""},
        {"mirror": "https://example.org/b.pkl"},
        {"file": "../a.pkl", "url": "https://example.org/../a.pkl"},
        {"family": "StyleGAN"},
        {"surplus": 1},
    ],
)
def test_a_wrong_row_is_refused(wrong_values: dict[str, object]) -> None:
    PublicCheckpoint.model_validate(ROW)
    with pytest.raises(ValidationError):
        PublicCheckpoint.model_validate({**ROW, **wrong_values})


def test_a_row_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        public_checkpoints()[0].name = "other"  # type: ignore[misc]


def test_a_licence_is_found_by_checksum() -> None:
    for model in public_checkpoints():
        for value in (model.sha256, model.seen_sha256):
            if value is not None:
                assert find_licence(value, 1, "renamed.pkl") == model.licence
    assert find_licence("0" * 64, 1, "renamed.pkl") is None


def test_a_licence_is_found_by_size_and_name() -> None:
    lions = find_public_checkpoint("sd-lions-512")
    assert lions is not None
    assert lions.bytes is not None
    assert find_licence(None, lions.bytes, lions.file) == lions.licence
    assert find_licence(None, lions.bytes + 1, lions.file) is None
    assert find_licence(None, lions.bytes, "my-own.pkl") is None
    assert find_licence("0" * 64, lions.bytes, lions.file) is None, "the table has another checksum for this file"
    dogs = find_public_checkpoint("sd-dogs-1024")
    assert dogs is not None
    assert dogs.bytes is not None
    assert find_licence("0" * 64, dogs.bytes, dogs.file) == dogs.licence, "the table only has the checksum of one copy"
