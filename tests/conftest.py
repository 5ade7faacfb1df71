"""Prints what the parity tests measured, after every run that had them (also under xdist and without -s)."""

from __future__ import annotations

import pytest

import draggan_engine  # noqa: F401  (first: it says how torch's threads wait)

PARITY = "parity"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows: dict[str, dict[str, tuple[float, float]]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == PARITY and report.when == "call":
                    fixture, quantity, error, limit = value
                    rows.setdefault(quantity, {})[fixture] = (error, limit)
    if not rows:
        return
    fixtures = sorted({fixture for row in rows.values() for fixture in row})
    terminalreporter.section("parity with the reference networks: |ours - theirs| / |theirs|, limit 1e-4")
    terminalreporter.write_line(f"{'':24}" + "".join(f"{fixture:>17}" for fixture in fixtures))
    for quantity, row in sorted(rows.items()):
        cells = [_cell(*row[fixture]) if fixture in row else "-" for fixture in fixtures]
        terminalreporter.write_line(f"{quantity:24}" + "".join(f"{cell:>17}" for cell in cells))
    terminalreporter.write_line(
        "~ the reference computed this in float16: the limit is float16's (tests/engine/test_parity.py)"
    )


def _cell(error: float, limit: float) -> str:
    return f"{'~' if limit > 1e-4 else ''}{error:.1e}{'' if error <= limit else ' FAIL'}"
