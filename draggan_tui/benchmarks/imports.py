"""What the imports cost: milliseconds a package, as Python itself counts them (`-X importtime`, which adds a little)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping

LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*([\w.]+)")
LIBRARY = "Python's own"


def import_times(*modules: str) -> Mapping[str, float]:
    """Of what a fresh interpreter loads, itself among it, for these modules."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {', '.join(modules)}"]
    told = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8")
    return by_package(told.stderr)


def by_package(report: str) -> Mapping[str, float]:
    """Milliseconds of each package, without what it has imported of others.

    Args:
        report: what `-X importtime` writes: a line for each module, its own microseconds first.
    """
    spent: defaultdict[str, float] = defaultdict(float)
    for microseconds, module in LINE.findall(report):
        package = module.split(".")[0]
        owner = LIBRARY if package in sys.stdlib_module_names or package in sys.builtin_module_names else package
        spent[owner] += int(microseconds) / 1e3
    return spent
