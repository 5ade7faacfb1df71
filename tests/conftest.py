"""What holds for all tests, and a table of what the parity tests measured after every run that had them (also under xdist
and without -s)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

import draggan_engine  # noqa: F401  (first: it says how torch's threads wait)
from draggan_tui.config import paths

PARITY = "parity"
ZOO_FILE = "zoo file"
UPDATE_SNAPSHOTS = "DRAGGAN_UPDATE_SNAPSHOTS"

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def signals_reach_the_programs_under_test() -> None:
    """What a shell starts in the background, or nohup starts, ignores some signals, and so does all that it starts. A
    handler that does nothing is not passed on."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of the user's is read or written: imported models, converted copies, the log. The hints were read before."""
    home = tmp_path_factory.mktemp("xdg")
    for name in ("CACHE", "CONFIG", "DATA", "STATE"):
        os.environ[f"XDG_{name}_HOME"] = str(home / name.lower())
    paths.end_first_use()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse `--snapshot-update` unless the environment says that a person wants it. CI can never update snapshots."""
    if not config.getoption("update_snapshots", default=False):
        return
    if os.environ.get("CI"):
        raise pytest.UsageError(
            "CI compares snapshots and never updates them: update and commit them from a working tree"
        )
    if os.environ.get(UPDATE_SNAPSHOTS) != "1":
        raise pytest.UsageError(
            f"--snapshot-update replaces the images that define how the editor looks. Look at snapshot_report.html first; "
            f"if every difference is intended, run the command again with {UPDATE_SNAPSHOTS}=1"
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of CUDA where there is no such device."""
    cuda_items = [item for item in items if item.get_closest_marker("cuda") is not None]
    if not cuda_items:
        return
    import torch  # so late, because it takes a second

    if not torch.cuda.is_available():
        config.hook.pytest_deselected(items=cuda_items)
        items[:] = [item for item in items if item.get_closest_marker("cuda") is None]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    _print_parity(terminalreporter)
    _print_zoo(terminalreporter)


def _recorded(terminalreporter: pytest.TerminalReporter, property_name: str) -> Iterator[tuple[Any, ...]]:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == property_name and report.when == "call":
                    yield value


def _print_zoo(terminalreporter: pytest.TerminalReporter) -> None:
    outcomes_by_case = dict(_recorded(terminalreporter, ZOO_FILE))
    if outcomes_by_case:
        terminalreporter.section("files that other repositories' code wrote: difference from their images, of 255")
        for case, outcome in sorted(outcomes_by_case.items()):
            terminalreporter.write_line(f"{case:<22} {outcome}")


def _print_parity(terminalreporter: pytest.TerminalReporter) -> None:
    rows: dict[str, dict[str, tuple[float, float]]] = {}
    for fixture, quantity, error, limit in _recorded(terminalreporter, PARITY):
        rows.setdefault(fixture, {})[quantity] = (error, limit)
    if not rows:
        return
    terminalreporter.section("parity with the reference networks: |ours - theirs| / |theirs|, limit 1e-4")
    for fixture, row in sorted(rows.items()):
        terminalreporter.write_line(fixture)
        cells = [f"{quantity:<21} {_cell(*row[quantity]):<9}" for quantity in sorted(row)]
        for start in range(0, len(cells), 3):
            terminalreporter.write_line("  " + "  ".join(cells[start : start + 3]).rstrip())
    terminalreporter.write_line(
        "~ the reference computed this in float16: the limit is float16's (tests/engine/networks/test_parity.py)"
    )


def _cell(error: float, limit: float) -> str:
    return f"{'~' if limit > 1e-4 else ''}{error:.1e}{'' if error <= limit else ' FAIL'}"
