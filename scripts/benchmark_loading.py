"""Measure time and memory of loading a checkpoint of another tool.

    python scripts/benchmark_loading.py stylegan2-ffhq-1024.pkl

Loads the file in a process of its own three times: the first time, a second time (which reads the converted copy), and
as a draggan-tui file. Memory is the peak of the process beyond its peak after importing torch. Nothing is written
outside a temporary directory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from draggan_engine.checkpoints.loader import convert_model

# VmHWM and not getrusage, which would begin with the memory of the parent process.
_LOAD_PROGRAM = """
import json, re, sys, time
import torch
from draggan_engine.checkpoints.loader import load_model
def peak_bytes():
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024
bytes_before, start = peak_bytes(), time.monotonic()
load_model(sys.argv[1], "cpu")
print(json.dumps({"seconds": time.monotonic() - start, "peak_bytes": peak_bytes() - bytes_before}))
"""


@dataclass(frozen=True)
class LoadCost:
    """The time to load a file, and the peak memory while loading it."""

    seconds: float
    peak_bytes: int


def measure_load(path: Path) -> LoadCost:
    """Load a file in a new process."""
    command = [sys.executable, "-c", _LOAD_PROGRAM, str(path)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    return LoadCost(**json.loads(output))


def describe_load(label: str, path: Path, cost: LoadCost, first_cost: LoadCost) -> str:
    """Return one row of the report: seconds, their ratio to the first load, and memory as a multiple of the file."""
    memory_ratio = cost.peak_bytes / path.stat().st_size
    time_ratio = cost.seconds / first_cost.seconds
    return f"{label:<36} {cost.seconds:6.2f} s ({time_ratio:.2f}×)   peak {memory_ratio:.2f}× the file"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, metavar="FILE", help="a checkpoint that has to be converted")
    checkpoint = parser.parse_args().checkpoint.resolve()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_DATA_HOME"] = str(Path(directory) / "xdg")
        native_file = Path(directory) / "model.safetensors"
        print(f"{checkpoint.name}: {checkpoint.stat().st_size / 1e6:.0f} MB")
        first_cost = measure_load(checkpoint)
        print(describe_load("first time", checkpoint, first_cost, first_cost))
        print(describe_load("second time, converted copy", checkpoint, measure_load(checkpoint), first_cost))
        convert_model(str(checkpoint), native_file, "model")
        native_label = f"draggan-tui file, {native_file.stat().st_size / 1e6:.0f} MB"
        print(describe_load(native_label, native_file, measure_load(native_file), first_cost))


if __name__ == "__main__":
    main()
