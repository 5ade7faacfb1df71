"""What imports cost, in milliseconds for each package, as Python counts them (`-X importtime`, which adds a little)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping

STANDARD_LIBRARY = "Python's own"
_MODULE_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*([\w.]+)")


def import_times(*modules: str) -> Mapping[str, float]:
    """Return the milliseconds of each package that a fresh interpreter loads for some modules, and for itself."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {', '.join(modules)}"]
    result = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8")
    return milliseconds_by_package(result.stderr)


def milliseconds_by_package(report: str) -> Mapping[str, float]:
    """Return the milliseconds of each package, without other packages that it imports.

    Args:
        report: the output of `-X importtime`, which begins each module's line with its own microseconds.
    """
    milliseconds: defaultdict[str, float] = defaultdict(float)
    for microseconds, module in _MODULE_LINE.findall(report):
        package = module.split(".")[0]
        is_standard = package in sys.stdlib_module_names or package in sys.builtin_module_names
        milliseconds[STANDARD_LIBRARY if is_standard else package] += int(microseconds) / 1e3
    return milliseconds
