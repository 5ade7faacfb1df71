"""The `models` commands as a user runs them, against a real server on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.errors import CheckpointError
from draggan_tui.rendering.loading_text import size_text
from tests.support.commands import run, run_here
from tests.support.paths import FIXTURES

CHECKPOINTS = FIXTURES / "checkpoints"
MODEL = CHECKPOINTS / "sg2ada_cond_32.pkl"
ALL = sorted(path for path in CHECKPOINTS.iterdir() if path.suffix in (".pkl", ".pt"))
UMASK = os.umask(0)
os.umask(UMASK)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs `draggan-tui models …` in an empty directory; it returns exit status, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "120")

    def run_command(*arguments: str) -> tuple[int, str, str]:
        return run_here(monkeypatch, *arguments, directory=tmp_path)

    return run_command


def sample_images(spec: str) -> torch.Tensor:
    """Return the images of three latents, of which one has different rows of ws."""
    generator = load_model(spec, "cpu").generator
    config = generator.config
    z = torch.randn(3, config.z_dim, generator=torch.Generator().manual_seed(0))
    ws = generator.mapping(z, psi=0.7)
    ws[2] += torch.randn(ws[2].shape, generator=torch.Generator().manual_seed(1))
    image = generator.synthesis(ws).image
    assert image is not None
    return image


# Listing models ------------------------------------------------------------------------------------------------------


def test_list(here: Run) -> None:
    status, out, _ = here("models", "list")
    assert status == 0
    assert "critters-128  bundled" in out and "critters-256  bundled" in out
    for part in ("sg2ada-ffhq-1024", "StyleGAN3-r", "1024×1024", "382 MB", "https://github.com/NVlabs/stylegan2"):
        assert part in out
    status, out, _ = here("models", "list", "--json")
    listed = json.loads(out)
    assert [model["name"] for model in listed["here"]] == ["critters-128", "critters-256"]
    assert len(listed["known"]) > 20


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_info(path: Path, here: Run) -> None:
    status, out, _ = here("models", "info", str(path))
    assert status == 0
    info = json.loads(here("models", "info", "--json", str(path))[1])
    assert info["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    settings = info["settings"]
    for part in (
        path.stem, info["sha256"], info["family"], info["format"], f"{info['width']}×{info['height']}",
        f"{info['parameters']:,} parameters", settings["feature_block"],
        f"{settings['layers']} of {info['num_ws']} rows of ws: {info['rows'][0]} … {info['rows'][settings['layers'] - 1]}",
    ):  # fmt: skip
        assert part in out, part
    assert info["blocks"][-1] != settings["feature_block"]
    assert len(info["rows"]) == info["num_ws"]


# A file becomes a model ---------------------------------------------------------------------------------------------


def has_usable_discriminator(model: Model) -> bool:
    try:
        return model.load_discriminator() is not None
    except CheckpointError:
        return False


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_converted_model_gives_the_same_images(path: Path, here: Run, tmp_path: Path) -> None:
    convert = ("models", "convert", str(path), "--out", str(tmp_path / "m.safetensors"))
    status, out, _ = here(*convert)
    assert status == 0
    assert (tmp_path / "m.safetensors").stat().st_mode & 0o777 == 0o666 & ~UMASK
    assert "m.safetensors: " in out
    assert torch.equal(sample_images(str(path)), sample_images(str(tmp_path / "m.safetensors")))
    before, after = load_model(str(path), "cpu"), load_model(str(tmp_path / "m.safetensors"), "cpu")
    assert has_usable_discriminator(before) == has_usable_discriminator(after)
    assert before.info.model_dump(exclude={"name", "sha256", "format"}) == after.info.model_dump(
        exclude={"name", "sha256", "format"}
    )
    assert after.name == "m"


def test_a_file_is_never_overwritten(here: Run, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_text("a thesis")
    status, _, problem = here("models", "convert", str(MODEL), "--out", "m.safetensors")
    assert (status, problem.count("\n")) == (2, 1)
    assert "already" in problem
    assert (tmp_path / "m.safetensors").read_text() == "a thesis"
    os.mkfifo(tmp_path / "pipe.png")
    status, _, problem = here("render", "--out", "pipe.png")
    assert status == 2 and "not a file that can be replaced" in problem
    assert (tmp_path / "pipe.png").is_fifo()


def test_a_converted_copy_has_the_name_of_its_file(here: Run, tmp_path: Path) -> None:
    shutil.copy(MODEL, tmp_path / "mine.pkl")
    assert here("render", "--model", "mine.pkl", "--out", "a.png")[0] == 0
    (tmp_path / "mine.pkl").unlink()
    assert here("render", "--model", "mine", "--out", "b.png")[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_imported_model_has_its_name(here: Run, tmp_path: Path) -> None:
    status, out, _ = here("models", "import", str(MODEL), "--name", "five-classes")
    assert (status, out.splitlines()[-1]) == (0, "draggan-tui --model five-classes")
    assert "five-classes  own" in here("models", "list")[1]
    assert here("render", "--model", "five-classes", "--out", "a.png")[0] == 0
    assert here("render", "--model", str(MODEL), "--out", "b.png")[0] == 0
    a, b = (tmp_path / name for name in ("a.png", "b.png"))
    assert a.stat().st_size > 0 and abs(a.stat().st_size - b.stat().st_size) < 100  # the model's name is in both
    status, _, problem = here("models", "import", str(MODEL), "--name", "five-classes")
    assert status == 2 and "there is a model five-classes already" in problem


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "nothing.pkl"), "nothing.pkl"),
        (("import", str(MODEL), "--name", "../outside"), "not a name"),
        (("import", str(MODEL), "--name", ""), "sg2ada_cond_32"),
        (("import", str(MODEL), "--name", "critters-128"), "already"),
        (("import", __file__, "--name", "x"), "not a model file"),
        (("convert", str(MODEL), "--out", "no/such/folder.safetensors"), "no directory"),
        (("convert", str(MODEL), "--out", "."), "is a directory"),
        (("convert", str(MODEL), "--out", "/dev/null"), "one of .safetensors"),
        (("convert", str(MODEL), "--out", "m.pkl"), "one of .safetensors"),
        (("import", str(MODEL), "--name", "sg2ada-ffhq-1024"), "public checkpoint"),
        (("info", "sg2ada-ffhq-1024"), "models pull NAME"),
        (("pull", "critters-128"), "on this machine already"),
        (("pull", "ftp://example.org/m.pkl"), "http"),
        (("pull", "https://example.org/m.pkl", "--sha256", "abc"), "64 hexadecimal"),
        (("info", "no-such-model"), "no-such-model"),
        (("info", __file__), "not a model file"),
        (("info", "no\x1b[2Jsuch\nmodel"), "no?[2Jsuch?model"),
        (("pull", "no-such-model"), "models list"),
        (("remove", "no-such-model"), "draggan-tui models list shows the names"),
        (("remove", "critters-128"), "critters-128 comes with draggan-tui and cannot be removed"),
        (("pull", "stylegan-human-v3-512"), "models import"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], message: str, here: Run, tmp_path: Path) -> None:
    status, out, problem = here("models", *arguments)
    if status == 0:  # an empty name counts as no name
        assert arguments[-1] == "" and message in out
        return
    assert (status, problem.count("\n")) == (2, 1)
    assert message in problem
    assert not list(tmp_path.glob("**/*.safetensors"))


# Downloads ----------------------------------------------------------------------------------------------------------


class Shelf(ThreadingHTTPServer):
    """A server with `content` under any name. Its first `breaks` answers break off in the middle."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Shelf)
        self.content, self.breaks, self.sent = content, 0, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Shelf(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        shelf = self.server
        assert isinstance(shelf, Shelf)
        if self.path == "/gone.pkl":
            self.send_error(404)
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        part = shelf.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", f'"{hashlib.sha256(shelf.content).hexdigest()}"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(shelf.content) - 1}/{len(shelf.content)}")
        self.end_headers()
        if shelf.breaks:
            shelf.breaks -= 1
            part = part[: len(part) // 2]
            self.close_connection = True
        self.wfile.write(part)
        shelf.sent += len(part)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    server = Shelf(MODEL.read_bytes())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_pull(shelf: Shelf, here: Run) -> None:
    shelf.breaks = 1
    status, out, problem = here("models", "pull", f"{shelf.url}/five%20classes.pkl", "--name", "five")
    assert status == 0, problem
    sha256 = hashlib.sha256(shelf.content).hexdigest()
    assert sha256 in out and "recorded now" in out and out.splitlines()[-1] == "draggan-tui --model five"
    assert shelf.sent == len(shelf.content)  # the second try continued the first
    assert here("render", "--model", "five", "--out", "a.png")[0] == 0
    status, out, _ = here("models", "pull", f"{shelf.url}/five%20classes.pkl", "--name", "five")
    assert status == 0 and shelf.sent == len(shelf.content)
    shelf.content = shelf.content[:-1] + b"!"
    status, out, _ = here("models", "pull", f"{shelf.url}/five%20classes.pkl", "--name", "again")
    assert status == 1


def test_remove(shelf: Shelf, here: Run, tmp_path: Path) -> None:
    here("models", "pull", f"{shelf.url}/five.pkl")
    assert here("render", "--model", "five", "--out", "a.png")[0] == 0  # makes a converted copy
    model_files = [path for path in (tmp_path / "home").rglob("*") if path.suffix in (".pkl", ".safetensors")]
    freed_text = size_text(sum(path.stat().st_size for path in model_files))
    status, out, _ = here("models", "remove", "five")
    assert (status, len(model_files)) == (0, 2)
    assert set(out.splitlines()) == {*(f"{path}: removed" for path in model_files), f"{freed_text} freed"}
    assert not any(path.exists() for path in model_files)
    assert here("models", "remove", "five")[0] == 2


def test_a_download_that_is_not_a_model_is_not_kept(shelf: Shelf, here: Run) -> None:
    shelf.content = b"no model" * 1000
    status, _, problem = here("models", "pull", f"{shelf.url}/m.pkl")
    assert (status, problem.count("\n")) == (1, 1)
    assert "not a model file" in problem and "m.pkl" in problem
    shelf.content = MODEL.read_bytes()  # the publisher has replaced it; nothing of the wrong file was kept
    assert here("models", "pull", f"{shelf.url}/m.pkl")[0] == 0


def test_a_failed_download_is_one_line(shelf: Shelf, here: Run) -> None:
    status, _, problem = here("models", "pull", f"{shelf.url}/gone.pkl")
    assert (status, problem.count("\n")) == (1, 1) and "404" in problem
    status, _, problem = here("models", "pull", f"{shelf.url}/m.pkl", "--sha256", "0" * 64)
    assert status == 1 and "0" * 64 in problem and hashlib.sha256(shelf.content).hexdigest() in problem
    assert "m  own" not in here("models", "list")[1]


# In a process of its own --------------------------------------------------------------------------------------------


def test_the_second_start_reads_the_converted_copy(tmp_path: Path) -> None:
    shutil.copy(MODEL, tmp_path / "m.pkl")
    assert run("render", "--model", "m.pkl", "--out", "a.png", directory=tmp_path).returncode == 0
    (copy,) = (tmp_path / "home").glob("**/*.safetensors")
    assert copy.stem == hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert run("render", "--model", "m.pkl", "--out", "b.png", directory=tmp_path).returncode == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    copy.write_bytes(copy.read_bytes()[:1000])
    assert run("render", "--model", "m.pkl", "--out", "c.png", directory=tmp_path).returncode == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "c.png").read_bytes()
    assert copy.stat().st_size > 1000
