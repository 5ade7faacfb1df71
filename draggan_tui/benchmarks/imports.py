"""What imports cost, in milliseconds for each package, as Python counts them (`-X importtime`, which adds a little)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping

STANDARD_LIBRARY = "Python's own"
_MODULE_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*([\w.]+)")


def import_times(*module_names: str) -> Mapping[str, float]:
    """Return the milliseconds of each package that a fresh interpreter loads for some modules, and for itself."""
    import_command = [sys.executable, "-X", "importtime", "-c", f"import {', '.join(module_names)}"]
    completed_process = subprocess.run(
        import_command, check=True, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8"
    )
    return milliseconds_by_package(completed_process.stderr)


def milliseconds_by_package(import_report: str) -> Mapping[str, float]:
    """Return the milliseconds of each package, without other packages that it imports.

    Args:
        import_report: the output of `-X importtime`, which begins each module's line with its own microseconds.
    """
    package_milliseconds: defaultdict[str, float] = defaultdict(float)
    for microseconds, module_name in _MODULE_LINE.findall(import_report):
        package_name = module_name.split(".")[0]
        is_standard = package_name in sys.stdlib_module_names or package_name in sys.builtin_module_names
        package_milliseconds[STANDARD_LIBRARY if is_standard else package_name] += int(microseconds) / 1e3
    return package_milliseconds
