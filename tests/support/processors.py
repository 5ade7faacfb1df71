"""Run code as on a processor without instructions for bfloat16."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

AVX2_ONLY = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
"""Environment variables that limit oneDNN and torch to AVX2."""

only_x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the variables limit x86 only")


def run_without_bfloat16(*arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, limited to AVX2, and check that it succeeds."""
    variables = {**os.environ, **AVX2_ONLY, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run([sys.executable, *arguments], cwd=directory, env=variables, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process
