"""Collect the findings of `draggan-tui doctor`, and print them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from draggan_tui.diagnosis.finding import Finding
from draggan_tui.diagnosis.folders import folder_findings, logout_finding
from draggan_tui.diagnosis.software import software_findings
from draggan_tui.diagnosis.terminal import NO_TERMINAL, terminal_findings
from draggan_tui.diagnosis.terminal_answers import ask_terminal
from draggan_tui.diagnosis.tmux import run_tmux, tmux_findings
from draggan_tui.terminal.color_depth import can_be_asked


def report(*, as_json: bool, root: Path = Path("/")) -> int:
    """Print all findings on stdout.

    Args:
        root: the directory that holds /proc, /sys, /dev, /etc, /run and /usr.

    Returns:
        1 if something will not work, else 0.
    """
    findings = list(collect_findings(root))
    works = all(finding.severity != "problem" for finding in findings)
    if as_json:
        print(json.dumps({"works": works, "findings": [asdict(finding) for finding in findings]}))
    else:
        print("\n".join(report_lines(findings)))
    return 0 if works else 1


def collect_findings(root: Path) -> Iterator[Finding]:
    """Yield everything that there is to say, in the order of the report."""
    yield from software_findings(os.environ)
    yield from _machine_findings(root)
    yield from _terminal_findings()
    yield from tmux_findings(os.environ, run_tmux(os.environ))
    yield from folder_findings()
    if (logout := logout_finding(root)) is not None:
        yield logout


def _machine_findings(root: Path) -> Iterator[Finding]:
    try:
        from draggan_tui.diagnosis.machine import machine_findings
    except (ImportError, OSError) as import_error:  # a library of torch can be missing or damaged
        reason = str(import_error).splitlines()[0] if str(import_error) else type(import_error).__name__
        fix = "pip install --force-reinstall 'torch>=2.11,<2.14'"
        yield Finding("torch", "problem", f"it cannot be imported ({reason}), and nothing can be computed", fix)
    else:
        yield from machine_findings(root)


def report_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of the report for people: severity, topic and text in columns, and the fix below."""
    topic_width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        yield f"{finding.severity:<8}{finding.topic:<{topic_width}}  {finding.text}"
        if finding.fix:
            yield f"{'':8}{'':<{topic_width}}  → {finding.fix}"
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in ("problem", "hint")}
    if counts["problem"]:
        yield f"\n{_counted(counts['problem'], 'problem')}: something will not work; what to do stands after each →"
    elif counts["hint"]:
        yield f"\nEverything works; {_counted(counts['hint'], 'hint')} what could be better."
    else:
        yield "\nEverything works."


def _counted(count: int, noun: str) -> str:
    if noun == "hint":
        return "1 hint says" if count == 1 else f"{count} hints say"
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _terminal_findings() -> Iterator[Finding]:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        yield Finding("terminal", "ok", NO_TERMINAL)
        return
    descriptor = sys.stdin.fileno()
    try:
        size = tuple(os.get_terminal_size(descriptor))
    except OSError:
        size = (0, 0)
    answers = None
    if can_be_asked(os.environ):
        answers = ask_terminal(descriptor, in_tmux=bool(os.environ.get("TMUX")))
    yield from terminal_findings(os.environ, (size[0], size[1]), answers)
