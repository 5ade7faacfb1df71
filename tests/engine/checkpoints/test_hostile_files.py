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
from tests.support.contained_reader import Reader
from tests.support.mutations import JSON, TEXTS, VALUES
from tests.support.nvidia_files import write
from tests.support.pickle_assembler import (
    PROTO,
    STOP,
    array,
    data,
    generator,
    group,
    mapping,
    module,
    network,
    number,
    storage,
    tensor,
    text,
)
from tests.support.specimens import FOLDER, saved, specimens
from tests.support.tiny_models import save_tiny

DEEP = b")" + b"\x85" * 200_000
LONG = b"\x8b" + struct.pack("<I", 3000) + b"\x7f" * 3000  # a number of 7000 digits
NEGATIVE = b"\x8b" + struct.pack("<I", 3000) + b"\x80" * 3000
HOSTILE = (
    *VALUES,
    *(data(value.encode("utf-8", "replace")) for value in TEXTS[:3]),
    *map(text, TEXTS[:9]),
    LONG,
    NEGATIVE,
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with Reader(tmp_path_factory.mktemp("files")) as one:
        yield one


def pickled(*body: bytes) -> bytes:
    return PROTO + b"".join(body) + STOP


def refusal(reader: Reader, content: bytes) -> str:
    outcome = reader.read(content, thoroughly=False)
    assert not outcome.problem
    assert outcome.said != "a model"
    return outcome.said


# Every kind -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(50))
def test_cut_short(part: int, reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> None:
    for kind, content in _specimens(tmp_path_factory).items():
        outcome = reader.read(content[: len(content) * part // 50], thoroughly="latent" in kind)
        assert not outcome.problem, kind
        assert outcome.said != "a model", kind


_made: dict[str, bytes] = {}


def _specimens(factory: pytest.TempPathFactory) -> dict[str, bytes]:
    _made.update({} if _made else specimens(factory.mktemp("specimens")))
    return _made


HOLDING_THEMSELVES = {
    "a list": b"]\x94h\x00a",
    "a dictionary": b"}\x94" + text("G_ema") + b"h\x00s",
    "a dictionary of tensors": mapping(g_ema=b"}\x94" + text("input.input") + b"h\x00s"),
    "a list of latents": b"](" + b"]\x94(" + b"h\x00" * 1000 + b"e" + b"h\x00" * 1000 + b"e",
    "a tuple": b"](" + b"]\x94h\x00\x85\x94h\x01e" + b"e",
}


@pytest.mark.parametrize("what", HOLDING_THEMSELVES)
def test_what_holds_itself(what: str, reader: Reader) -> None:
    outcome = reader.read(pickled(HOLDING_THEMSELVES[what]))
    assert not outcome.problem
    assert outcome.said != "a model"


def test_a_module_inside_itself(reader: Reader) -> None:
    """Its dictionary of modules is there first; the module, which has it, is put into it afterwards."""
    for inside in ("synthesis", "mapping", "x"):
        modules = mapping(
            synthesis=module(_modules=mapping(b4=module(_buffers=mapping(const=_const())))),
            mapping=module(_modules=b"}"),
        )
        whole = modules + b"\x940" + generator(_modules=b"h\x00") + b"\x940" + b"h\x00" + text(inside) + b"h\x01s0"
        assert "holds itself" in refusal(reader, pickled(whole, mapping(G_ema=b"h\x01")))


def test_a_network_that_is_its_own_part(reader: Reader) -> None:
    parts = b"}\x940" + network(components=b"h\x00") + b"\x940"
    filled = b"h\x00" + text("mapping") + b"h\x01s" + text("synthesis") + b"h\x01s0"
    assert "missing" in refusal(reader, pickled(parts, filled, group(b"h\x01", b"h\x01", b"h\x01")))


def _const() -> bytes:
    return tensor(storage(bytes(512), numel=128), size=(8, 4, 4), stride=(16, 4, 1))


# NVIDIA ---------------------------------------------------------------------------------------------------------------


def arguments(config: type[StyleGAN2Config] | type[StyleGAN3Config], **changed: bytes) -> bytes:
    most = {"z_dim": number(8), "w_dim": number(8), "img_resolution": number(32), "img_channels": number(3)}
    idle = {"channel_base": number(256), "channel_max": number(8)} if config is StyleGAN3Config else {}
    return mapping(**{**most, **idle, **changed})


@pytest.mark.parametrize("config", [StyleGAN2Config, StyleGAN3Config])
def test_arguments_that_cannot_be(config: type[Any], reader: Reader) -> None:
    """Every one, with every value, however large."""
    first = mapping(b4=module(_buffers=mapping(const=_const())), input=module()) if config is StyleGAN3Config else None
    synthesis = module(_modules=first or mapping(b4=module(_buffers=mapping(const=_const()))))
    inner = mapping(synthesis=synthesis, mapping=module(_modules=mapping(fc0=module())))
    fields = ["img_resolution", "channel_base", "channel_max", "mapping_kwargs", "synthesis_kwargs", "block_kwargs"]
    for field in [*fields, *config.model_fields, "activation", "architecture", "embed_features"]:
        for value in (*HOSTILE[::2], *([DEEP] if field in ("img_channels", "img_resolution", "architecture") else [])):
            whole = generator(arguments(config, **{field: value}), _modules=inner)
            outcome = reader.read(pickled(mapping(G_ema=whole)), thoroughly=False)
            assert not outcome.problem, (field, value[:100])
            assert outcome.said != "a model"


def test_parts_of_a_module_that_cannot_be(reader: Reader) -> None:
    for field in ("_init_args", "_init_kwargs", "_modules", "_buffers", "_parameters", "conv_clamp"):
        for value in HOSTILE:
            for whole in (
                generator(**{field: value}),
                generator(_modules=mapping(synthesis=module("S", "", **{field: value}))),
            ):
                refusal(reader, pickled(mapping(G_ema=whole)))


def test_a_discriminator_that_cannot_be(reader: Reader, tmp_path: Path) -> None:
    """The generator is well; what is wrong with the other is said when it is asked for."""
    config = StyleGAN2Config(resolution=8, z_dim=4, w_dim=4, mapping_layers=1, channels=(4, 4))
    start = write(tmp_path / "model.pkl", Generator(config)).read_bytes()
    end = start.rindex(STOP)
    fields = (*DiscriminatorConfig.model_fields, "epilogue_kwargs", "block_kwargs", "mapping_kwargs", "channel_max")
    for field in fields:
        for value in HOSTILE[::6]:
            broken = module("Discriminator", "", _init_kwargs=arguments(StyleGAN2Config, **{field: value}))
            outcome = reader.read(start[:end] + text("D") + broken + b"s" + STOP, thoroughly=False)
            assert not outcome.problem, (field, value[:100])
            assert outcome.said != "a model", (field, value[:100])
    for field in ("mbstd_group_size", "mbstd_num_channels"):
        for value in HOSTILE:
            more = {"epilogue_kwargs": mapping(**{field: value}), "channel_base": number(64)}
            broken = module("Discriminator", "", _init_kwargs=arguments(StyleGAN2Config, **more))
            outcome = reader.read(start[:end] + text("D") + broken + b"s" + STOP, thoroughly=False)
            assert not outcome.problem, (field, value[:100])


# TensorFlow, rosinality -----------------------------------------------------------------------------------------------


def test_parts_of_a_network_that_cannot_be(reader: Reader) -> None:
    for field in ("version", "components", "variables", "static_kwargs"):
        for value in HOSTILE:
            part = network(**{field: value})
            for whole in (part, network(components=mapping(mapping=part, synthesis=part))):
                refusal(reader, pickled(group(network(), network(), whole)))


def test_arguments_of_a_network_that_cannot_be(reader: Reader) -> None:
    for field in ("architecture", "normalize_latents", "label_size", "num_fp16_res", "conv_clamp", "mapping_lrmul"):
        for value in (*HOSTILE, tensor(storage())):
            parts = mapping(mapping=network(), synthesis=network())
            whole = network(components=parts, static_kwargs=mapping(**{field: value}))
            refusal(reader, pickled(group(network(), network(), whole)))


@pytest.mark.parametrize("shape", [(), (0,), (0, 0, 0, 0), (1, 1, 1, 1), (1,) * 8])
def test_variables_of_another_shape(shape: tuple[int, ...], reader: Reader) -> None:
    names = (
        "Dense0/weight", "4x4/Const/const", "4x4/Conv/weight", "4x4/Conv/mod_weight", "4x4/ToRGB/weight", "noise0",
        "8x8/Conv0_up/weight", "4x4/Conv/mod_bias", "dlatent_avg",
    )  # fmt: skip
    value = array("f4", shape, data(bytes(4 * int(np.prod(shape)))))
    pairs = b"](" + b"".join(text(key) + value + b"\x86" for key in names) + b"e"
    for dense in (b"]", b"](" + text("Dense0/weight") + array("f4", (1, 1), data(bytes(4))) + b"\x86e"):
        part, whole = network(variables=pairs), network(variables=dense)
        refusal(
            reader, pickled(group(network(), network(), network(components=mapping(mapping=whole, synthesis=part))))
        )
        refusal(reader, pickled(group(network(), network(), network(components=mapping(mapping=part, synthesis=part)))))


@pytest.mark.parametrize("shape", [(), (0,), (1,) * 8])
def test_tensors_of_another_shape(shape: tuple[int, ...], reader: Reader) -> None:
    whole = torch.load(FOLDER / "rosinality_converted_32.pt", weights_only=True)
    for key in whole["g_ema"]:
        changed = {"g_ema": {**whole["g_ema"], key: torch.zeros(shape)}, "latent_avg": whole["latent_avg"]}
        outcome = reader.read(saved(changed, new=True), thoroughly=False)
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
def test_numbers_of_another_type(dtype: str, reader: Reader, tiny: bytes) -> None:
    refusal(reader, with_empty(tiny, dtype, [0]))


@pytest.mark.parametrize(
    "shape", [[0, 2**63], [0, 2**64 - 1], [2**62, 8, 0], [0, 2**62, 8], [0] + [1] * 100_000, [-1], [0.5]]
)
def test_shapes_of_another_world(shape: list[Any], reader: Reader, tiny: bytes) -> None:
    refusal(reader, with_empty(tiny, "F32", shape))


def test_a_shape_in_a_message_is_not_long(reader: Reader, tiny: bytes) -> None:
    entry = header_of(tiny)["G_ema.mapping.w_avg"]
    changed = {"G_ema.mapping.w_avg": {**entry, "shape": [*entry["shape"], *[1] * 5000]}}
    assert "has the shape" in refusal(reader, native(tiny, **changed))


@pytest.mark.parametrize("field", ["family", *StyleGAN2Config.model_fields])
def test_a_description_that_cannot_be(field: str, reader: Reader, tiny: bytes) -> None:
    config = json.loads(header_of(tiny)["__metadata__"]["config"])
    for value in (*JSON, "a\nb" * 1000, [65536] * 10, [[]] * 1000, 10**4000):
        config["generator"] |= {field: value}
        outcome = reader.read(saying(tiny, "config", config), thoroughly=False)
        assert not outcome.problem, (field, str(value)[:100])


@pytest.mark.parametrize(
    "header",
    [b"{", b"{}", b"[]", b'{"a":' * 100_000, b'{"\xff":1}', b'{"__metadata__":{"a":1}}', b'{"__metadata__":null}', b"{" + b" " * 2**20],
)  # fmt: skip
def test_headers_that_cannot_be(header: bytes, reader: Reader) -> None:
    refusal(reader, struct.pack("<Q", len(header)) + header)
    refusal(reader, struct.pack("<Q", 2**63) + header)
    refusal(reader, struct.pack("<Q", len(header) + 8) + header)


def test_the_same_key_twice_and_data_that_overlap(reader: Reader) -> None:
    one = b'"G_ema.x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
    for header in (
        b"{" + one + b"," + one + b"}",
        b"{" + one + b"," + one.replace(b".x", b".y").replace(b"[0,8]", b"[4,12]") + b"}",
    ):
        refusal(reader, struct.pack("<Q", len(header)) + header + bytes(12))


def test_a_file_of_ours_is_no_other_files_converted_copy(tmp_path: Path, tiny: bytes) -> None:
    """It says itself what it was made of; believed, it would be opened in that file's place from then on."""
    victim = FOLDER / "sg2_flat_32.pkl"
    sha256 = hashlib.sha256(victim.read_bytes()).hexdigest()
    cached_copy(sha256).unlink(missing_ok=True)
    source = {"format": "NVIDIA PyTorch pickle", "sha256": sha256}
    path = tmp_path / "evil.safetensors"
    path.write_bytes(saying(tiny, "info", {"name": "evil", "psi": 1, "source": source}))
    assert load_model(str(path), "cpu").name == "evil"
    assert not cached_copy(sha256).exists()
    assert load_model(str(victim), "cpu").info.z_dim == 64


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\u202e", "\u2028", "\ud800"])
def test_what_a_file_says_of_itself_can_be_printed(sign: str, reader: Reader, tiny: bytes) -> None:
    source = {"format": sign, "sha256": "0" * 64}
    for info in ({"name": f"a{sign}b"}, {"source": source}, {"licence": sign}):
        assert "info" in refusal(reader, saying(tiny, "info", {"name": "a", "psi": 1, **info}))


@pytest.mark.parametrize("name_", ["", "a\nb", "a\x9b", "a" * 101])
def test_a_file_gets_no_name_that_it_could_not_be_read_with(name_: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a name"):
        convert_model(str(FOLDER / "sg2_flat_32.pkl"), tmp_path / "out.safetensors", name_)
    assert not list(tmp_path.iterdir())
