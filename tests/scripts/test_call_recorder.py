"""The recorder notes the files whose functions are called, stage by stage."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import call_recorder
from scripts.call_recorder import CallRecorder, recorded_files, recording_variables, set_stage

FILES = {
    "caller.py": "from . import helper\n\ndef call():\n    return helper.answer()\n",
    "helper.py": "def answer():\n    return 42\n",
    "importer.py": "from .helper import answer\n\nclass Body:\n    value = 1\n\nANSWER = answer()\n",
    "idle.py": "def never():\n    pass\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An importable package, which the recorder takes for the project's only one."""
    name = "package_of_the_call_recorder"
    (tmp_path / name).mkdir()
    for file_name, text in FILES.items():
        (tmp_path / name / file_name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(call_recorder, "PROJECT", tmp_path)
    monkeypatch.setattr(call_recorder, "PACKAGES", (Path(name),))
    return name


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "records"
    directory.mkdir()
    set_stage(directory, 0)
    earlier_profile = sys.getprofile()
    sys.setprofile(CallRecorder(directory))
    yield directory
    sys.setprofile(earlier_profile)


def test_files_are_recorded_in_order_of_their_first_calls_and_by_stage(package: str, records: Path) -> None:
    caller = importlib.import_module(f"{package}.caller")
    caller.call()
    set_stage(records, 1)
    caller.call()
    caller.call()
    set_stage(records, 2)
    caller.helper.answer()
    set_stage(records, 0)
    caller.call()
    assert recorded_files(records, 1) == {os.getpid(): [f"{package}/caller.py", f"{package}/helper.py"]}
    assert recorded_files(records, 2) == {os.getpid(): [f"{package}/helper.py"]}


def test_calls_during_an_import_do_not_count(package: str, records: Path) -> None:
    set_stage(records, 1)
    importer = importlib.import_module(f"{package}.importer")
    importlib.import_module(f"{package}.idle")
    set_stage(records, 0)
    assert importer.ANSWER == 42
    assert recorded_files(records, 1) == {}


def test_the_variables_make_python_record_from_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    variables = recording_variables(tmp_path)
    assert variables["PYTHONPATH"].split(os.pathsep)[::2] == [str(tmp_path), "/elsewhere"]
    assert "start_recording()" in (tmp_path / "sitecustomize.py").read_text()
