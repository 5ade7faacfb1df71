"""The wheel: what it holds, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from draggan_engine.checkpoints.registry import bundled_encoders, bundled_w_covariance
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_two_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"draggan_tui", "draggan_engine"}


def test_weights_and_themes_are_in_it(wheel: zipfile.ZipFile) -> None:
    sizes = {info.filename: info.file_size for info in wheel.infolist()}
    for name in ("critters-128", "critters-256"):
        assert 0 < sizes[f"draggan_engine/checkpoints/bundled/{name}.safetensors"] <= 16_000_000
        assert 0 < sizes[f"draggan_engine/evaluation/weights/latent-transformers/{name}.safetensors"] <= 8_000_000
    for path in bundled_encoders():
        assert 0 < sizes[f"draggan_engine/checkpoints/bundled/encoders/{path.name}"] <= 4_000_000
    for path in bundled_w_covariance("").parent.iterdir():
        assert 0 < sizes[f"draggan_engine/checkpoints/bundled/w-covariance/{path.name}"] <= 300_000
    assert {
        f"draggan_tui/_themes/{name}.toml" for name in ("dark", "dusk", "moss", "light", "paper", "contrast")
    } <= set(sizes)


def test_the_command_is_installed(wheel: zipfile.ZipFile) -> None:
    entry = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "draggan-tui = draggan_tui.__main__:main" in wheel.read(entry).decode()
