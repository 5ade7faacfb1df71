"""What `draggan-tui doctor` says about each part of a machine, and its fixes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from draggan_tui.diagnosis import machine
from draggan_tui.diagnosis.finding import Finding
from draggan_tui.diagnosis.folders import folder_findings, logout_finding
from draggan_tui.diagnosis.machine import bfloat16_finding, device_finding, memory_finding, processor_finding
from draggan_tui.diagnosis.software import locale_finding, software_findings, textual_finding
from draggan_tui.diagnosis.terminal import graphics_finding, terminal_findings
from draggan_tui.diagnosis.terminal_answers import TerminalAnswers, parse_answers
from draggan_tui.diagnosis.tmux import tmux_findings

XTERM = {"TERM": "xterm-256color"}


def by_topic(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings}


# Software -----------------------------------------------------------------------------------------------


def test_an_unsuitable_textual_is_a_problem_with_the_command_that_installs_another() -> None:
    versions = ["8.2.0", "8.2.9", "8.3.0", "8.1.9", "9.0"]
    findings = [textual_finding(version, ">=8.2,<8.3") for version in versions]
    assert [finding.severity for finding in findings] == ["ok", "ok", "problem", "problem", "problem"]
    assert findings[2].fix == "pip install 'textual>=8.2,<8.3'"
    assert textual_finding("8.3.0", "").severity == "ok"


def test_this_installation_is_suitable() -> None:
    findings = by_topic(list(software_findings({"LANG": "en_US.UTF-8"})))
    assert {finding.severity for finding in findings.values()} == {"ok"}


@pytest.mark.parametrize(
    ("environment", "severity", "text"),
    [
        ({"LC_ALL": "de_DE.utf8", "LANG": "C"}, "ok", "de_DE.utf8"),
        ({"LANG": "de_DE.ISO-8859-1"}, "hint", "de_DE.ISO-8859-1 is not UTF-8: marks that it lacks are shown as ?"),
        (
            {"LC_ALL": "", "LC_CTYPE": "POSIX"},
            "hint",
            "POSIX: tmux and other programs may show _ for the marks of the editor",
        ),
        ({}, "hint", "none is set: tmux and other programs may show _ for the marks of the editor"),
    ],
)
def test_the_locale(environment: dict[str, str], severity: str, text: str) -> None:
    finding = locale_finding(environment)
    assert (finding.severity, finding.text) == (severity, text)
    assert finding.fix == ("" if severity == "ok" else "export LC_ALL=C.UTF-8")


# The machine --------------------------------------------------------------------------------------------


def test_without_a_gpu_the_report_says_why(tmp_path: Path) -> None:
    no_gpu = device_finding(("cpu",), has_cuda_build=True, root=tmp_path)
    assert (no_gpu.severity, no_gpu.text.partition(".")[0]) == ("hint", "cpu only: there is no GPU")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    cpu_build = device_finding(("cpu",), has_cuda_build=False, root=tmp_path)
    assert cpu_build.severity == "problem"
    assert "was built without CUDA" in cpu_build.text
    assert cpu_build.fix.startswith("pip install ")
    old_driver = device_finding(("cpu",), has_cuda_build=True, root=tmp_path)
    assert old_driver.severity == "problem"
    assert "driver" in old_driver.text and "nvidia-smi" in old_driver.fix
    assert device_finding(("mps", "cpu"), has_cuda_build=False, root=tmp_path) == Finding("devices", "ok", "mps, cpu")


@pytest.mark.parametrize("version", [1, 2])
def test_a_quota_of_the_container_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 8)
    process = tmp_path / "proc/self"
    process.mkdir(parents=True)
    if version == 2:
        (process / "cgroup").write_text("0::/job\n")
        cgroup = tmp_path / "sys/fs/cgroup/job"
        cgroup.mkdir(parents=True)
        (cgroup / "cpu.max").write_text("50000 100000\n")
    else:
        (process / "cgroup").write_text("4:cpu,cpuacct:/job\n")
        cgroup = tmp_path / "sys/fs/cgroup/cpu,cpuacct/job"
        cgroup.mkdir(parents=True)
        (cgroup / "cpu.cfs_quota_us").write_text("50000\n")
        (cgroup / "cpu.cfs_period_us").write_text("100000\n")
    finding = processor_finding(tmp_path)
    assert finding.severity == "hint"
    assert finding.text == "1 of 8 can be used: the container is limited to 0.5 processors"
    assert "--cpus" in finding.fix


def test_without_a_quota_all_is_well(tmp_path: Path) -> None:
    finding = processor_finding(tmp_path)
    assert (finding.severity, finding.fix) == ("ok", "")


def test_a_processor_without_bfloat16_is_named_with_what_drags_do() -> None:
    finding = bfloat16_finding("AVX2", is_supported=False)
    assert finding.severity == "hint"
    assert finding.text == "AVX2, without bfloat16: drags with precision bfloat16 use float32 here, and say so"
    assert finding.fix
    assert bfloat16_finding("AVX512", is_supported=True) == Finding("instructions", "ok", "AVX512, with bfloat16")


def test_little_memory_is_a_hint() -> None:
    assert memory_finding(3_000_000_000).severity == "hint"
    assert memory_finding(16_000_000_000) == Finding("memory", "ok", "16 GB")


# Directories and logout ---------------------------------------------------------------------------------


def test_a_directory_that_cannot_be_written_is_named_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    working = tmp_path / "work"
    working.mkdir()
    monkeypatch.chdir(working)
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    findings = by_topic(list(folder_findings()))
    assert [topic for topic, finding in findings.items() if finding.severity != "ok"] == ["configuration"]
    assert str(tmp_path / "file") in findings["configuration"].text
    assert findings["configuration"].fix == "export XDG_CONFIG_HOME=DIR with a directory that you may write to"
    (working / "draggan-out").touch()
    sessions = by_topic(list(folder_findings()))["sessions"]
    assert sessions.severity == "problem"
    assert "--out DIR" in sessions.fix
    assert [path.name for path in working.iterdir()] == ["draggan-out"]


def test_a_system_that_ends_processes_at_logout_is_named(tmp_path: Path) -> None:
    assert logout_finding(tmp_path) is None
    main_file = tmp_path / "etc/systemd/logind.conf"
    main_file.parent.mkdir(parents=True)
    main_file.write_text("[Login]\n#KillUserProcesses=yes\n")
    assert logout_finding(tmp_path) is None
    main_file.write_text("[Login]\nKillUserProcesses=yes\n")
    finding = logout_finding(tmp_path)
    assert finding is not None
    assert (finding.severity, finding.fix) == ("hint", "start tmux by: systemd-run --scope --user tmux")
    drop_in = tmp_path / "etc/systemd/logind.conf.d/local.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Login]\nKillUserProcesses=no\n")
    assert logout_finding(tmp_path) is None


# The terminal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "severity"), [((80, 24), "ok"), ((60, 20), "hint"), ((29, 24), "problem"), ((80, 9), "problem")]
)
def test_the_size(size: tuple[int, int], severity: str) -> None:
    finding = by_topic(list(terminal_findings(XTERM, size, None)))["size"]
    assert finding.severity == severity
    assert finding.text.startswith(f"{size[0]}×{size[1]}")
    assert bool(finding.fix) == (severity != "ok")


def test_a_terminal_that_does_not_say_its_size_is_no_problem() -> None:
    finding = by_topic(list(terminal_findings(XTERM, (0, 0), None)))["size"]
    assert (finding.severity, finding.fix) == ("ok", "")


@pytest.mark.parametrize(
    ("environment", "answers", "severity", "fix"),
    [
        (XTERM, TerminalAnswers(truecolor=True), "ok", ""),
        (XTERM, TerminalAnswers(), "hint", "if it has more: export COLORTERM=truecolor, or give --color truecolor"),
        (XTERM, None, "hint", "if it has more: export COLORTERM=truecolor, or give --color truecolor"),
        ({**XTERM, "NO_COLOR": ""}, None, "hint", "unset NO_COLOR, or give --color truecolor"),
        ({"TERM": "screen-256color"}, None, "hint", "use tmux instead"),
        ({"TERM": "xterm-kitty"}, None, "ok", ""),
    ],
)
def test_the_colours(environment: dict[str, str], answers: TerminalAnswers | None, severity: str, fix: str) -> None:
    finding = by_topic(list(terminal_findings(environment, (80, 24), answers)))["colours"]
    assert (finding.severity, finding.fix) == (severity, fix)


@pytest.mark.parametrize("name", ["", "dumb", "unknown"])
def test_a_terminal_on_which_nothing_can_be_drawn_is_a_problem(name: str) -> None:
    (finding,) = terminal_findings({"TERM": name} if name else {}, (80, 24), None)
    assert finding.severity == "problem"
    assert "export TERM=" in finding.fix


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (TerminalAnswers("kitty(0.39.1)", kitty_graphics=True), "kitty's protocol: the image is shown in pixels"),
        (TerminalAnswers("WezTerm 20240203", kitty_graphics=True), "kitty; the editor draws with characters"),
        (TerminalAnswers("foot(1.20.2)", sixel=True), "Sixel; the editor draws with characters"),
        (TerminalAnswers(), "none; the editor draws with characters"),
    ],
)
def test_how_the_image_is_shown(answers: TerminalAnswers, text: str) -> None:
    assert graphics_finding(XTERM, answers).text == text


def test_answers_are_read_in_any_mixture() -> None:
    sent = "x\x1b_Gi=1;OK\x1b\\\x1bP>|kitty(0.39.1)\x1b\\\x1b[?2026;2$y\x1bP1$r0;48:2:1:2:3m\x1b\\\x1b[?62;4;22c"
    assert parse_answers(sent) == TerminalAnswers("kitty(0.39.1)", True, True, True, True)
    assert parse_answers("\x1b[?1;2c") == TerminalAnswers()
    assert parse_answers("\x1b[?2026;0$y\x1bP0$r\x1b\\\x1b[?64;1c") == TerminalAnswers()
    assert parse_answers("\x1bP>|slow(1)\x1b\\") is None


# tmux ---------------------------------------------------------------------------------------------------

TMUX = {"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0"}


def fake_tmux(**options: str) -> object:
    def run(arguments: Sequence[str]) -> str | None:
        if arguments[0] == "display-message":
            return {"#{version}": "3.4", "#{client_termfeatures}": options["features"]}[arguments[-1]]
        return options.get(arguments[-1].replace("-", "_"), "")

    return run


def test_tmux_is_told_about_only_where_it_could_be_better() -> None:
    good = fake_tmux(
        features="256,RGB,title", allow_passthrough="on", mouse="on", escape_time="10", input_buffer_size="8000000"
    )
    assert [finding.topic for finding in tmux_findings(TMUX, good)] == ["tmux"]  # type: ignore[arg-type]
    poor = fake_tmux(
        features="256,title", allow_passthrough="off", mouse="off", escape_time="500", input_buffer_size="65536"
    )
    findings = by_topic(list(tmux_findings(TMUX, poor)))  # type: ignore[arg-type]
    assert {topic: finding.fix.rpartition(": ")[2] for topic, finding in findings.items()} == {
        "tmux": "",
        "tmux RGB": "set -as terminal-features ',*:RGB'",
        "tmux passthrough": "set -g allow-passthrough on",
        "tmux input": "set -s input-buffer-size 4194304",
        "tmux Escape": "set -s escape-time 20",
        "tmux mouse": "set -g mouse on",
    }
    assert {finding.severity for finding in findings.values()} == {"ok", "hint"}


def test_options_that_a_tmux_does_not_have_are_not_suggested() -> None:
    old = fake_tmux(features="256,RGB", mouse="on", escape_time="10")
    assert [finding.topic for finding in tmux_findings(TMUX, old)] == ["tmux"]  # type: ignore[arg-type]


def test_outside_of_tmux_and_without_its_command() -> None:
    assert list(tmux_findings(XTERM, lambda _: None)) == []
    (finding,) = tmux_findings(TMUX, lambda _: None)
    assert (finding.severity, finding.topic) == ("hint", "tmux")
