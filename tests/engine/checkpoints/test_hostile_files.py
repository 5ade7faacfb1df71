"""Files of every kind that are cut short, contain impossible values or contain themselves are refused with one line."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from draggan_engine.checkpoints.loader import convert_model, load_model
from draggan_engine.checkpoints.registry import cached_copy
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.config import DiscriminatorConfig, StyleGAN2Config, StyleGAN3Config
from draggan_engine.networks.generator import Generator
from tests.support import pickle_assembler as asm
from tests.support.contained_reader import MODEL, ContainedReader
from tests.support.mutations import HOSTILE_JSON, HOSTILE_TEXTS, HOSTILE_VALUES
from tests.support.nvidia_files import write_nvidia_pickle
from tests.support.paths import CHECKPOINTS
from tests.support.specimens import make_specimens, torch_save_bytes
from tests.support.tiny_models import save_tiny

DEEP_TUPLE = b")" + b"\x85" * 200_000
LONG_NUMBER = b"\x8b" + struct.pack("<I", 3000) + b"\x7f" * 3000  # 7000 digits
NEGATIVE_NUMBER = b"\x8b" + struct.pack("<I", 3000) + b"\x80" * 3000
HOSTILE_ARGUMENTS = (
    *HOSTILE_VALUES,
    *(asm.byte_string(value.encode("utf-8", "replace")) for value in HOSTILE_TEXTS[:3]),
    *map(asm.text, HOSTILE_TEXTS[:9]),
    LONG_NUMBER,
    NEGATIVE_NUMBER,
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainedReader]:
    with ContainedReader(tmp_path_factory.mktemp("files")) as contained_reader:
        yield contained_reader


def refusal(reader: ContainedReader, content: bytes) -> str:
    outcome = reader.read(content, thoroughly=False)
    assert not outcome.problem
    assert outcome.result != MODEL
    return outcome.result


# Every kind -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(50))
def test_a_file_that_is_cut_short_is_refused(
    part: int, reader: ContainedReader, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for kind, content in _specimens(tmp_path_factory).items():
        outcome = reader.read(content[: len(content) * part // 50], thoroughly="latent" in kind)
        assert not outcome.problem, kind
        assert outcome.result != MODEL, kind


_made: dict[str, bytes] = {}


def _specimens(factory: pytest.TempPathFactory) -> dict[str, bytes]:
    _made.update({} if _made else make_specimens(factory.mktemp("specimens")))
    return _made


CONTAINING_THEMSELVES = {
    "a list": b"]\x94h\x00a",
    "a dictionary": b"}\x94" + asm.text("G_ema") + b"h\x00s",
    "a dictionary of tensors": asm.dictionary(g_ema=b"}\x94" + asm.text("input.input") + b"h\x00s"),
    "a list of latents": b"](" + b"]\x94(" + b"h\x00" * 1000 + b"e" + b"h\x00" * 1000 + b"e",
    "a tuple": b"](" + b"]\x94h\x00\x85\x94h\x01e" + b"e",
}


@pytest.mark.parametrize("container", CONTAINING_THEMSELVES)
def test_a_container_that_contains_itself_is_refused(container: str, reader: ContainedReader) -> None:
    outcome = reader.read(asm.pickle_file(CONTAINING_THEMSELVES[container]))
    assert not outcome.problem
    assert outcome.result != MODEL


def test_a_module_that_contains_itself_is_refused(reader: ContainedReader) -> None:
    """The dictionary of modules is made first, then the module that has it, which is put into the dictionary."""
    for name in ("synthesis", "mapping", "x"):
        modules = asm.dictionary(
            synthesis=asm.nvidia_module(
                _modules=asm.dictionary(b4=asm.nvidia_module(_buffers=asm.dictionary(const=_const())))
            ),
            mapping=asm.nvidia_module(_modules=b"}"),
        )
        whole = (
            modules
            + b"\x940"
            + asm.nvidia_generator(_modules=b"h\x00")
            + b"\x940"
            + b"h\x00"
            + asm.text(name)
            + b"h\x01s0"
        )
        assert "holds itself" in refusal(reader, asm.pickle_file(whole, asm.dictionary(G_ema=b"h\x01")))


def test_a_network_that_is_its_own_component_is_refused(reader: ContainedReader) -> None:
    parts = b"}\x940" + asm.tensorflow_network(components=b"h\x00") + b"\x940"
    filled = b"h\x00" + asm.text("mapping") + b"h\x01s" + asm.text("synthesis") + b"h\x01s0"
    assert "missing" in refusal(reader, asm.pickle_file(parts, filled, asm.tuple_of(b"h\x01", b"h\x01", b"h\x01")))


def _const() -> bytes:
    return asm.tensor(asm.legacy_storage(bytes(512), numel=128), size=(8, 4, 4), stride=(16, 4, 1))


# NVIDIA ---------------------------------------------------------------------------------------------------------------


def arguments(config: type[StyleGAN2Config] | type[StyleGAN3Config], **changed: bytes) -> bytes:
    valid_arguments = {
        "z_dim": asm.number(8),
        "w_dim": asm.number(8),
        "img_resolution": asm.number(32),
        "img_channels": asm.number(3),
    }
    stylegan3_arguments = (
        {"channel_base": asm.number(256), "channel_max": asm.number(8)} if config is StyleGAN3Config else {}
    )
    return asm.dictionary(**{**valid_arguments, **stylegan3_arguments, **changed})


@pytest.mark.parametrize("config", [StyleGAN2Config, StyleGAN3Config])
def test_hostile_arguments_of_a_generator_are_refused(config: type[Any], reader: ContainedReader) -> None:
    """Every argument is tried with every hostile value, however large."""
    input_modules = (
        asm.dictionary(b4=asm.nvidia_module(_buffers=asm.dictionary(const=_const())), input=asm.nvidia_module())
        if config is StyleGAN3Config
        else None
    )
    synthesis = asm.nvidia_module(
        _modules=input_modules or asm.dictionary(b4=asm.nvidia_module(_buffers=asm.dictionary(const=_const())))
    )
    modules = asm.dictionary(
        synthesis=synthesis, mapping=asm.nvidia_module(_modules=asm.dictionary(fc0=asm.nvidia_module()))
    )
    more_fields = [
        "img_resolution",
        "channel_base",
        "channel_max",
        "mapping_kwargs",
        "synthesis_kwargs",
        "block_kwargs",
    ]
    for field in [*more_fields, *config.model_fields, "activation", "architecture", "embed_features"]:
        for value in (
            *HOSTILE_ARGUMENTS[::2],
            *([DEEP_TUPLE] if field in ("img_channels", "img_resolution", "architecture") else []),
        ):
            whole = asm.nvidia_generator(arguments(config, **{field: value}), _modules=modules)
            outcome = reader.read(asm.pickle_file(asm.dictionary(G_ema=whole)), thoroughly=False)
            assert not outcome.problem, (field, value[:100])
            assert outcome.result != MODEL


def test_hostile_parts_of_a_module_are_refused(reader: ContainedReader) -> None:
    for field in ("_init_args", "_init_kwargs", "_modules", "_buffers", "_parameters", "conv_clamp"):
        for value in HOSTILE_ARGUMENTS:
            for whole in (
                asm.nvidia_generator(**{field: value}),
                asm.nvidia_generator(_modules=asm.dictionary(synthesis=asm.nvidia_module("S", "", **{field: value}))),
            ):
                refusal(reader, asm.pickle_file(asm.dictionary(G_ema=whole)))


def test_hostile_arguments_of_a_discriminator_are_refused(reader: ContainedReader, tmp_path: Path) -> None:
    """The generator is intact. An error about the discriminator is raised when the discriminator is read."""
    config = StyleGAN2Config(resolution=8, z_dim=4, w_dim=4, mapping_layers=1, channels=(4, 4))
    model_bytes = write_nvidia_pickle(tmp_path / "model.pkl", Generator(config)).read_bytes()
    end = model_bytes.rindex(asm.STOP)
    fields = (*DiscriminatorConfig.model_fields, "epilogue_kwargs", "block_kwargs", "mapping_kwargs", "channel_max")
    for field in fields:
        for value in HOSTILE_ARGUMENTS[::6]:
            broken = asm.nvidia_module("Discriminator", "", _init_kwargs=arguments(StyleGAN2Config, **{field: value}))
            outcome = reader.read(model_bytes[:end] + asm.text("D") + broken + b"s" + asm.STOP, thoroughly=False)
            assert not outcome.problem, (field, value[:100])
            assert outcome.result != MODEL, (field, value[:100])
    for field in ("mbstd_group_size", "mbstd_num_channels"):
        for value in HOSTILE_ARGUMENTS:
            arguments_with_value = {"epilogue_kwargs": asm.dictionary(**{field: value}), "channel_base": asm.number(64)}
            broken = asm.nvidia_module(
                "Discriminator", "", _init_kwargs=arguments(StyleGAN2Config, **arguments_with_value)
            )
            outcome = reader.read(model_bytes[:end] + asm.text("D") + broken + b"s" + asm.STOP, thoroughly=False)
            assert not outcome.problem, (field, value[:100])


# TensorFlow, rosinality -----------------------------------------------------------------------------------------------


def test_hostile_parts_of_a_tensorflow_network_are_refused(reader: ContainedReader) -> None:
    for field in ("version", "components", "variables", "static_kwargs"):
        for value in HOSTILE_ARGUMENTS:
            part = asm.tensorflow_network(**{field: value})
            for whole in (part, asm.tensorflow_network(components=asm.dictionary(mapping=part, synthesis=part))):
                refusal(
                    reader, asm.pickle_file(asm.tuple_of(asm.tensorflow_network(), asm.tensorflow_network(), whole))
                )


def test_hostile_arguments_of_a_tensorflow_network_are_refused(reader: ContainedReader) -> None:
    for field in ("architecture", "normalize_latents", "label_size", "num_fp16_res", "conv_clamp", "mapping_lrmul"):
        for value in (*HOSTILE_ARGUMENTS, asm.tensor(asm.legacy_storage())):
            parts = asm.dictionary(mapping=asm.tensorflow_network(), synthesis=asm.tensorflow_network())
            whole = asm.tensorflow_network(components=parts, static_kwargs=asm.dictionary(**{field: value}))
            refusal(reader, asm.pickle_file(asm.tuple_of(asm.tensorflow_network(), asm.tensorflow_network(), whole)))


@pytest.mark.parametrize("shape", [(), (0,), (0, 0, 0, 0), (1, 1, 1, 1), (1,) * 8])
def test_tensorflow_variables_of_a_wrong_shape_are_refused(shape: tuple[int, ...], reader: ContainedReader) -> None:
    names = (
        "Dense0/weight", "4x4/Const/const", "4x4/Conv/weight", "4x4/Conv/mod_weight", "4x4/ToRGB/weight", "noise0",
        "8x8/Conv0_up/weight", "4x4/Conv/mod_bias", "dlatent_avg",
    )  # fmt: skip
    value = asm.numpy_array("f4", shape, asm.byte_string(bytes(4 * int(np.prod(shape)))))
    pairs = b"](" + b"".join(asm.text(key) + value + b"\x86" for key in names) + b"e"
    for dense in (
        b"]",
        b"](" + asm.text("Dense0/weight") + asm.numpy_array("f4", (1, 1), asm.byte_string(bytes(4))) + b"\x86e",
    ):
        part, whole = asm.tensorflow_network(variables=pairs), asm.tensorflow_network(variables=dense)
        refusal(
            reader,
            asm.tensorflow_file(components=asm.dictionary(mapping=whole, synthesis=part)),
        )
        refusal(
            reader,
            asm.tensorflow_file(components=asm.dictionary(mapping=part, synthesis=part)),
        )


@pytest.mark.parametrize("shape", [(), (0,), (1,) * 8])
def test_rosinality_tensors_of_a_wrong_shape_break_no_promise(shape: tuple[int, ...], reader: ContainedReader) -> None:
    whole = torch.load(CHECKPOINTS / "rosinality_converted_32.pt", weights_only=True)
    for key in whole["g_ema"]:
        changed = {"g_ema": {**whole["g_ema"], key: torch.zeros(shape)}, "latent_avg": whole["latent_avg"]}
        outcome = reader.read(torch_save_bytes(changed, is_zip=True), thoroughly=False)
        assert not outcome.problem, key


# Native ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return save_tiny(tmp_path_factory.mktemp("tiny") / "tiny.safetensors").read_bytes()


def header_of(content: bytes) -> dict[str, Any]:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert isinstance(header, dict)
    return header


def native(content: bytes, **changed: Any) -> bytes:
    """Return the file with other entries in its header."""
    header = json.dumps({**header_of(content), **changed}).encode()
    return struct.pack("<Q", len(header)) + header + content[8 + int.from_bytes(content[:8], "little") :]


def with_entry(content: bytes, entry_name: str, entry: dict[str, Any]) -> bytes:
    """Return the file with another `config` or `info`."""
    metadata = header_of(content)["__metadata__"]
    return native(content, __metadata__={**metadata, entry_name: json.dumps(entry)})


def with_empty(content: bytes, dtype: str, shape: list[Any]) -> bytes:
    """Return the file with one more tensor, which has no data."""
    end = len(content) - 8 - int.from_bytes(content[:8], "little")
    return native(content, **{"G_ema.x": {"dtype": dtype, "shape": shape, "data_offsets": [end, end]}})


@pytest.mark.parametrize("dtype", ["F64", "F8_E4M3", "F4", "BOOL", "U64", "C64", "F6_E2M3", "F9", ""])
def test_tensors_of_an_unsupported_type_are_refused(dtype: str, reader: ContainedReader, tiny: bytes) -> None:
    refusal(reader, with_empty(tiny, dtype, [0]))


@pytest.mark.parametrize(
    "shape", [[0, 2**63], [0, 2**64 - 1], [2**62, 8, 0], [0, 2**62, 8], [0] + [1] * 100_000, [-1], [0.5]]
)
def test_impossible_shapes_are_refused(shape: list[Any], reader: ContainedReader, tiny: bytes) -> None:
    refusal(reader, with_empty(tiny, "F32", shape))


def test_a_long_shape_is_shortened_in_the_message(reader: ContainedReader, tiny: bytes) -> None:
    entry = header_of(tiny)["G_ema.mapping.w_avg"]
    changed = {"G_ema.mapping.w_avg": {**entry, "shape": [*entry["shape"], *[1] * 5000]}}
    assert "has the shape" in refusal(reader, native(tiny, **changed))


@pytest.mark.parametrize("field", ["family", *StyleGAN2Config.model_fields])
def test_hostile_configurations_break_no_promise(field: str, reader: ContainedReader, tiny: bytes) -> None:
    config = json.loads(header_of(tiny)["__metadata__"]["config"])
    for value in (*HOSTILE_JSON, "a\nb" * 1000, [65536] * 10, [[]] * 1000, 10**4000):
        config["generator"] |= {field: value}
        outcome = reader.read(with_entry(tiny, "config", config), thoroughly=False)
        assert not outcome.problem, (field, str(value)[:100])


@pytest.mark.parametrize(
    "header",
    [b"{", b"{}", b"[]", b'{"a":' * 100_000, b'{"\xff":1}', b'{"__metadata__":{"a":1}}', b'{"__metadata__":null}', b"{" + b" " * 2**20],
)  # fmt: skip
def test_hostile_headers_are_refused(header: bytes, reader: ContainedReader) -> None:
    refusal(reader, struct.pack("<Q", len(header)) + header)
    refusal(reader, struct.pack("<Q", 2**63) + header)
    refusal(reader, struct.pack("<Q", len(header) + 8) + header)


def test_repeated_keys_and_overlapping_tensors_are_refused(reader: ContainedReader) -> None:
    entry = b'"G_ema.x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
    for header in (
        b"{" + entry + b"," + entry + b"}",
        b"{" + entry + b"," + entry.replace(b".x", b".y").replace(b"[0,8]", b"[4,12]") + b"}",
    ):
        refusal(reader, struct.pack("<Q", len(header)) + header + bytes(12))


def test_a_native_file_does_not_become_the_converted_copy_of_another(tmp_path: Path, tiny: bytes) -> None:
    """A native file states itself which file it was converted from. If that were believed, it would replace that file."""
    victim = CHECKPOINTS / "sg2_flat_32.pkl"
    sha256 = hashlib.sha256(victim.read_bytes()).hexdigest()
    cached_copy(sha256).unlink(missing_ok=True)
    source = {"format": "NVIDIA PyTorch pickle", "sha256": sha256}
    hostile_path = tmp_path / "evil.safetensors"
    hostile_path.write_bytes(with_entry(tiny, "info", {"name": "evil", "psi": 1, "source": source}))
    assert load_model(str(hostile_path), "cpu").name == "evil"
    assert not cached_copy(sha256).exists()
    assert load_model(str(victim), "cpu").info.z_dim == 64


@pytest.mark.parametrize("character", ["\x1b", "\x9b", "\u202e", "\u2028", "\ud800"])
def test_texts_that_cannot_be_printed_are_refused(character: str, reader: ContainedReader, tiny: bytes) -> None:
    source = {"format": character, "sha256": "0" * 64}
    for info in ({"name": f"a{character}b"}, {"source": source}, {"licence": character}):
        assert "info" in refusal(reader, with_entry(tiny, "info", {"name": "a", "psi": 1, **info}))


@pytest.mark.parametrize("name", ["", "a\nb", "a\x9b", "a" * 101])
def test_a_model_is_not_saved_under_a_name_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a name"):
        convert_model(str(CHECKPOINTS / "sg2_flat_32.pkl"), tmp_path / "out.safetensors", name)
    assert not list(tmp_path.iterdir())
