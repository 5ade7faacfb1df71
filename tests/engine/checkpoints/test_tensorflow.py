"""The reader of TensorFlow's files: arguments, kernels and classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from draggan_engine.checkpoints.formats.tensorflow import read_tensorflow_parts
from draggan_engine.checkpoints.unpickling.pickle_stubs import ObjectRecord, UnknownName, UnknownObject
from draggan_engine.core.errors import CheckpointError
from draggan_engine.networks.generator import Generator
from tests.support.paths import CHECKPOINTS, FIXTURES
from tests.support.read_pickle import read_pickle

PATH = Path("model.pkl")
CONDITIONAL = FIXTURES / "zoo" / "tf-ada-cond" / "cifar10.pkl"


def read(path: Path = CHECKPOINTS / "tf_legacy_32.pkl", **arguments: object) -> Generator:
    """Return the generator of a file with some of its arguments added or replaced."""
    root = read_pickle(path)
    assert isinstance(root, tuple)
    average = root[2]
    assert isinstance(average, ObjectRecord)
    stated_arguments = average.state["static_kwargs"]
    assert isinstance(stated_arguments, dict)
    stated_arguments.update(arguments)
    parts = read_tensorflow_parts(root, PATH)
    assert parts is not None
    return parts.generator.build(PATH, torch.device("cpu"))


@pytest.mark.parametrize("kernel", [[1, 1, 1, 1], (1, 7.5, 7.5, 1)])
def test_every_layer_has_the_kernel_of_the_file(kernel: list[float]) -> None:
    taps = torch.tensor(kernel) / sum(kernel)
    filters = [value for key, value in read(resample_kernel=kernel).state_dict().items() if "resample_filter" in key]
    assert len(filters) == 3 * 4 - 1  # of each block and each of its layers; the lowest block has no conv0
    assert all(torch.allclose(value, torch.outer(taps, taps)) for value in filters)


@pytest.mark.parametrize(
    "kernel",
    [
        None,
        [],
        [1, 2, 1],
        [1, 3, 3, 2],
        [1, -1, -1, 1],
        ["1", "3", "3", "1"],
        [True, True, True, True],
        [1, float("nan"), 3, 1],
        [10**400] * 4,
        [[1, 3, 3, 1]] * 4,
        "1331",
        UnknownObject(UnknownName("numpy", "matrix")),
    ],
    ids=range(12),
)
def test_another_kernel_is_refused(kernel: object) -> None:
    with pytest.raises(CheckpointError, match=r"model\.pkl: generator: its resample_kernel is not four numbers"):
        read(resample_kernel=kernel)


def test_the_classes_are_those_that_the_mapping_network_embeds() -> None:
    assert read(CONDITIONAL).config.c_dim == 10
    with pytest.raises(CheckpointError, match="its label_size is 4, but its mapping network embeds 10 classes"):
        read(CONDITIONAL, label_size=4)
    with pytest.raises(CheckpointError, match="its label_size is 4, but its mapping network embeds 0 classes"):
        read(label_size=4)


def test_arguments_are_judged_by_their_value() -> None:
    assert read(an_option=None, another=0).config == read().config
    with pytest.raises(CheckpointError, match="the argument an_option, whose value is 2, may make it another network"):
        read(an_option=2)
    with pytest.raises(CheckpointError, match=r"its nonlinearity is relu; .* whose nonlinearity is lrelu"):
        read(nonlinearity="relu")
