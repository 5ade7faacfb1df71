"""Files of every kind that are cut short, ask for the impossible or hold themselves: one line that names the file."""

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

DEEP = b")" + b"\x85" * 200_000
LONG = b"\x8b" + struct.pack("<I", 3000) + b"\x7f" * 3000  # a number of 7000 digits
NEGATIVE = b"\x8b" + struct.pack("<I", 3000) + b"\x80" * 3000
HOSTILE = (
    *HOSTILE_VALUES,
    *(asm.byte_string(value.encode("utf-8", "replace")) for value in HOSTILE_TEXTS[:3]),
    *map(asm.text, HOSTILE_TEXTS[:9]),
    LONG,
    NEGATIVE,
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainedReader]:
    with ContainedReader(tmp_path_factory.mktemp("files")) as one:
        yield one


def refusal(reader: ContainedReader, content: bytes) -> str:
    outcome = reader.read(content, thoroughly=False)
    assert not outcome.problem
    assert outcome.result != MODEL
    return outcome.result


# Every kind -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(50))
def test_cut_short(part: int, reader: ContainedReader, tmp_path_factory: pytest.TempPathFactory) -> None:
    for kind, content in _specimens(tmp_path_factory).items():
        outcome = reader.read(content[: len(content) * part // 50], thoroughly="latent" in kind)
        assert not outcome.problem, kind
        assert outcome.result != MODEL, kind


_made: dict[str, bytes] = {}


def _specimens(factory: pytest.TempPathFactory) -> dict[str, bytes]:
    _made.update({} if _made else make_specimens(factory.mktemp("specimens")))
    return _made


HOLDING_THEMSELVES = {
    "a list": b"]\x94h\x00a",
    "a dictionary": b"}\x94" + asm.text("G_ema") + b"h\x00s",
    "a dictionary of tensors": asm.dictionary(g_ema=b"}\x94" + asm.text("input.input") + b"h\x00s"),
    "a list of latents": b"](" + b"]\x94(" + b"h\x00" * 1000 + b"e" + b"h\x00" * 1000 + b"e",
    "a tuple": b"](" + b"]\x94h\x00\x85\x94h\x01e" + b"e",
}


@pytest.mark.parametrize("what", HOLDING_THEMSELVES)
def test_what_holds_itself(what: str, reader: ContainedReader) -> None:
    outcome = reader.read(asm.pickle_file(HOLDING_THEMSELVES[what]))
    assert not outcome.problem
    assert outcome.result != MODEL


def test_a_module_inside_itself(reader: ContainedReader) -> None:
    """Its dictionary of modules is there first; the module, which has it, is put into it afterwards."""
    for inside in ("synthesis", "mapping", "x"):
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
            + asm.text(inside)
            + b"h\x01s0"
        )
        assert "holds itself" in refusal(reader, asm.pickle_file(whole, asm.dictionary(G_ema=b"h\x01")))


def test_a_network_that_is_its_own_part(reader: ContainedReader) -> None:
    parts = b"}\x940" + asm.tensorflow_network(components=b"h\x00") + b"\x940"
    filled = b"h\x00" + asm.text("mapping") + b"h\x01s" + asm.text("synthesis") + b"h\x01s0"
    assert "missing" in refusal(reader, asm.pickle_file(parts, filled, asm.tuple_of(b"h\x01", b"h\x01", b"h\x01")))


def _const() -> bytes:
    return asm.tensor(asm.legacy_storage(bytes(512), numel=128), size=(8, 4, 4), stride=(16, 4, 1))


# NVIDIA ---------------------------------------------------------------------------------------------------------------


def arguments(config: type[StyleGAN2Config] | type[StyleGAN3Config], **changed: bytes) -> bytes:
    most = {
        "z_dim": asm.number(8),
        "w_dim": asm.number(8),
        "img_resolution": asm.number(32),
        "img_channels": asm.number(3),
    }
    idle = {"channel_base": asm.number(256), "channel_max": asm.number(8)} if config is StyleGAN3Config else {}
    return asm.dictionary(**{**most, **idle, **changed})


@pytest.mark.parametrize("config", [StyleGAN2Config, StyleGAN3Config])
def test_arguments_that_cannot_be(config: type[Any], reader: ContainedReader) -> None:
    """Every one, with every value, however large."""
    first = (
        asm.dictionary(b4=asm.nvidia_module(_buffers=asm.dictionary(const=_const())), input=asm.nvidia_module())
        if config is StyleGAN3Config
        else None
    )
    synthesis = asm.nvidia_module(
        _modules=first or asm.dictionary(b4=asm.nvidia_module(_buffers=asm.dictionary(const=_const())))
    )
    inner = asm.dictionary(
        synthesis=synthesis, mapping=asm.nvidia_module(_modules=asm.dictionary(fc0=asm.nvidia_module()))
    )
    fields = ["img_resolution", "channel_base", "channel_max", "mapping_kwargs", "synthesis_kwargs", "block_kwargs"]
    for field in [*fields, *config.model_fields, "activation", "architecture", "embed_features"]:
        for value in (*HOSTILE[::2], *([DEEP] if field in ("img_channels", "img_resolution", "architecture") else [])):
            whole = asm.nvidia_generator(arguments(config, **{field: value}), _modules=inner)
            outcome = reader.read(asm.pickle_file(asm.dictionary(G_ema=whole)), thoroughly=False)
            assert not outcome.problem, (field, value[:100])
            assert outcome.result != MODEL


def test_parts_of_a_module_that_cannot_be(reader: ContainedReader) -> None:
    for field in ("_init_args", "_init_kwargs", "_modules", "_buffers", "_parameters", "conv_clamp"):
        for value in HOSTILE:
            for whole in (
                asm.nvidia_generator(**{field: value}),
                asm.nvidia_generator(_modules=asm.dictionary(synthesis=asm.nvidia_module("S", "", **{field: value}))),
            ):
                refusal(reader, asm.pickle_file(asm.dictionary(G_ema=whole)))


def test_a_discriminator_that_cannot_be(reader: ContainedReader, tmp_path: Path) -> None:
    """The generator is well; what is wrong with the other is said when it is asked for."""
    config = StyleGAN2Config(resolution=8, z_dim=4, w_dim=4, mapping_layers=1, channels=(4, 4))
    start = write_nvidia_pickle(tmp_path / "model.pkl", Generator(config)).read_bytes()
    end = start.rindex(asm.STOP)
    fields = (*DiscriminatorConfig.model_fields, "epilogue_kwargs", "block_kwargs", "mapping_kwargs", "channel_max")
    for field in fields:
        for value in HOSTILE[::6]:
            broken = asm.nvidia_module("Discriminator", "", _init_kwargs=arguments(StyleGAN2Config, **{field: value}))
            outcome = reader.read(start[:end] + asm.text("D") + broken + b"s" + asm.STOP, thoroughly=False)
            assert not outcome.problem, (field, value[:100])
            assert outcome.result != MODEL, (field, value[:100])
    for field in ("mbstd_group_size", "mbstd_num_channels"):
        for value in HOSTILE:
            more = {"epilogue_kwargs": asm.dictionary(**{field: value}), "channel_base": asm.number(64)}
            broken = asm.nvidia_module("Discriminator", "", _init_kwargs=arguments(StyleGAN2Config, **more))
            outcome = reader.read(start[:end] + asm.text("D") + broken + b"s" + asm.STOP, thoroughly=False)
            assert not outcome.problem, (field, value[:100])


# TensorFlow, rosinality -----------------------------------------------------------------------------------------------


def test_parts_of_a_network_that_cannot_be(reader: ContainedReader) -> None:
    for field in ("version", "components", "variables", "static_kwargs"):
        for value in HOSTILE:
            part = asm.tensorflow_network(**{field: value})
            for whole in (part, asm.tensorflow_network(components=asm.dictionary(mapping=part, synthesis=part))):
                refusal(
                    reader, asm.pickle_file(asm.tuple_of(asm.tensorflow_network(), asm.tensorflow_network(), whole))
                )


def test_arguments_of_a_network_that_cannot_be(reader: ContainedReader) -> None:
    for field in ("architecture", "normalize_latents", "label_size", "num_fp16_res", "conv_clamp", "mapping_lrmul"):
        for value in (*HOSTILE, asm.tensor(asm.legacy_storage())):
            parts = asm.dictionary(mapping=asm.tensorflow_network(), synthesis=asm.tensorflow_network())
            whole = asm.tensorflow_network(components=parts, static_kwargs=asm.dictionary(**{field: value}))
            refusal(reader, asm.pickle_file(asm.tuple_of(asm.tensorflow_network(), asm.tensorflow_network(), whole)))


@pytest.mark.parametrize("shape", [(), (0,), (0, 0, 0, 0), (1, 1, 1, 1), (1,) * 8])
def test_variables_of_another_shape(shape: tuple[int, ...], reader: ContainedReader) -> None:
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
            asm.pickle_file(
                asm.tuple_of(
                    asm.tensorflow_network(),
                    asm.tensorflow_network(),
                    asm.tensorflow_network(components=asm.dictionary(mapping=whole, synthesis=part)),
                )
            ),
        )
        refusal(
            reader,
            asm.pickle_file(
                asm.tuple_of(
                    asm.tensorflow_network(),
                    asm.tensorflow_network(),
                    asm.tensorflow_network(components=asm.dictionary(mapping=part, synthesis=part)),
                )
            ),
        )


@pytest.mark.parametrize("shape", [(), (0,), (1,) * 8])
def test_tensors_of_another_shape(shape: tuple[int, ...], reader: ContainedReader) -> None:
    whole = torch.load(CHECKPOINTS / "rosinality_converted_32.pt", weights_only=True)
    for key in whole["g_ema"]:
        changed = {"g_ema": {**whole["g_ema"], key: torch.zeros(shape)}, "latent_avg": whole["latent_avg"]}
        outcome = reader.read(torch_save_bytes(changed, new=True), thoroughly=False)
        assert not outcome.problem, key


# Ours -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return save_tiny(tmp_path_factory.mktemp("tiny") / "tiny.safetensors").read_bytes()


def header_of(content: bytes) -> dict[str, Any]:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert isinstance(header, dict)
    return header


def native(content: bytes, **changed: Any) -> bytes:
    """The file with other entries in its header."""
    packed = json.dumps({**header_of(content), **changed}).encode()
    return struct.pack("<Q", len(packed)) + packed + content[8 + int.from_bytes(content[:8], "little") :]


def saying(content: bytes, entry: str, said: dict[str, Any]) -> bytes:
    """The file with another `config` or `info`."""
    metadata = header_of(content)["__metadata__"]
    return native(content, __metadata__={**metadata, entry: json.dumps(said)})


def with_empty(content: bytes, dtype: str, shape: list[Any]) -> bytes:
    """The file with one more tensor, which has no data."""
    end = len(content) - 8 - int.from_bytes(content[:8], "little")
    return native(content, **{"G_ema.x": {"dtype": dtype, "shape": shape, "data_offsets": [end, end]}})


@pytest.mark.parametrize("dtype", ["F64", "F8_E4M3", "F4", "BOOL", "U64", "C64", "F6_E2M3", "F9", ""])
def test_numbers_of_another_type(dtype: str, reader: ContainedReader, tiny: bytes) -> None:
    refusal(reader, with_empty(tiny, dtype, [0]))


@pytest.mark.parametrize(
    "shape", [[0, 2**63], [0, 2**64 - 1], [2**62, 8, 0], [0, 2**62, 8], [0] + [1] * 100_000, [-1], [0.5]]
)
def test_shapes_of_another_world(shape: list[Any], reader: ContainedReader, tiny: bytes) -> None:
    refusal(reader, with_empty(tiny, "F32", shape))


def test_a_shape_in_a_message_is_not_long(reader: ContainedReader, tiny: bytes) -> None:
    entry = header_of(tiny)["G_ema.mapping.w_avg"]
    changed = {"G_ema.mapping.w_avg": {**entry, "shape": [*entry["shape"], *[1] * 5000]}}
    assert "has the shape" in refusal(reader, native(tiny, **changed))


@pytest.mark.parametrize("field", ["family", *StyleGAN2Config.model_fields])
def test_a_description_that_cannot_be(field: str, reader: ContainedReader, tiny: bytes) -> None:
    config = json.loads(header_of(tiny)["__metadata__"]["config"])
    for value in (*HOSTILE_JSON, "a\nb" * 1000, [65536] * 10, [[]] * 1000, 10**4000):
        config["generator"] |= {field: value}
        outcome = reader.read(saying(tiny, "config", config), thoroughly=False)
        assert not outcome.problem, (field, str(value)[:100])


@pytest.mark.parametrize(
    "header",
    [b"{", b"{}", b"[]", b'{"a":' * 100_000, b'{"\xff":1}', b'{"__metadata__":{"a":1}}', b'{"__metadata__":null}', b"{" + b" " * 2**20],
)  # fmt: skip
def test_headers_that_cannot_be(header: bytes, reader: ContainedReader) -> None:
    refusal(reader, struct.pack("<Q", len(header)) + header)
    refusal(reader, struct.pack("<Q", 2**63) + header)
    refusal(reader, struct.pack("<Q", len(header) + 8) + header)


def test_the_same_key_twice_and_data_that_overlap(reader: ContainedReader) -> None:
    one = b'"G_ema.x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
    for header in (
        b"{" + one + b"," + one + b"}",
        b"{" + one + b"," + one.replace(b".x", b".y").replace(b"[0,8]", b"[4,12]") + b"}",
    ):
        refusal(reader, struct.pack("<Q", len(header)) + header + bytes(12))


def test_a_file_of_ours_is_no_other_files_converted_copy(tmp_path: Path, tiny: bytes) -> None:
    """It says itself what it was made of; believed, it would be opened in that file's place from then on."""
    victim = CHECKPOINTS / "sg2_flat_32.pkl"
    sha256 = hashlib.sha256(victim.read_bytes()).hexdigest()
    cached_copy(sha256).unlink(missing_ok=True)
    source = {"format": "NVIDIA PyTorch pickle", "sha256": sha256}
    path = tmp_path / "evil.safetensors"
    path.write_bytes(saying(tiny, "info", {"name": "evil", "psi": 1, "source": source}))
    assert load_model(str(path), "cpu").name == "evil"
    assert not cached_copy(sha256).exists()
    assert load_model(str(victim), "cpu").info.z_dim == 64


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\u202e", "\u2028", "\ud800"])
def test_what_a_file_says_of_itself_can_be_printed(sign: str, reader: ContainedReader, tiny: bytes) -> None:
    source = {"format": sign, "sha256": "0" * 64}
    for info in ({"name": f"a{sign}b"}, {"source": source}, {"licence": sign}):
        assert "info" in refusal(reader, saying(tiny, "info", {"name": "a", "psi": 1, **info}))


@pytest.mark.parametrize("name", ["", "a\nb", "a\x9b", "a" * 101])
def test_a_file_gets_no_name_that_it_could_not_be_read_with(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a name"):
        convert_model(str(CHECKPOINTS / "sg2_flat_32.pkl"), tmp_path / "out.safetensors", name)
    assert not list(tmp_path.iterdir())
