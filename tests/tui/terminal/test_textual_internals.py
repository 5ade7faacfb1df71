"""Canaries for the private parts of Textual and Rich: a new version that changes one of them fails here, by name."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import FunctionType

import pytest
import rich.console
import textual
import textual._compositor
import textual._parser
import textual._xterm_parser
from rich.console import Console
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.events import Key
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from draggan_tui.terminal.textual_internals import (
    AppBase,
    KeyParser,
    LazyStrip,
    TerminalDriverBase,
    bind_key,
    changed_keys,
    repaint_text,
    set_color_depth,
)
from tests.support.paths import ROOT

TEXTUAL_MINOR = "8.2"
ADAPTER = ROOT / "draggan_tui" / "terminal" / "textual_internals.py"
ADVICE = (
    f"Textual {textual.__version__} is installed; draggan_tui/terminal/textual_internals.py was written for "
    f"{TEXTUAL_MINOR}. Adapt that module, and then this test."
)


def test_the_version_of_textual_is_the_one_that_the_adapter_was_written_for() -> None:
    assert textual.__version__.startswith(f"{TEXTUAL_MINOR}."), ADVICE


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (textual._parser, "Read1"),
        (textual._parser, "ParseTimeout"),
        (textual._parser, "ParseEOF"),
        (textual._parser.Parser, "tick"),
        (textual._xterm_parser.XTermParser, "_sequence_to_key_events"),
        (TerminalDriverBase, "_enable_mouse_support"),
        (TerminalDriverBase, "_disable_line_wrap"),
        (TerminalDriverBase, "_get_terminal_size"),
        (Strip, "render"),
        (textual._compositor, "ChopsUpdate"),
        (textual._compositor, "LayoutUpdate"),
        (App, "_display"),
        (App, "_fatal_error"),
        (App, "_handle_exception"),
        (App, "_close_messages_no_wait"),
        (App, "_background_screens"),
        (rich.console, "COLOR_SYSTEMS"),
    ],
)
def test_a_private_name_still_exists(owner: object, name: str) -> None:
    assert hasattr(owner, name), f"{getattr(owner, '__name__', owner)} has no {name} any more. {ADVICE}"


def assigned_names(kind: type) -> set[str]:
    """Names that a class's constructor, or that of a base class, assigns to `self`."""
    names = set()
    for base in kind.__mro__[:-1]:
        if base.__init__ is not object.__init__:
            tree = ast.parse(dedent(inspect.getsource(base)))
            names |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            }
    return names


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (textual._parser.Parser, {"_timeout_time", "_awaiting"}),
        (TerminalDriverBase, {"_must_signal_resume", "_writer_thread", "_file", "_loop", "_debug"}),
        (Strip, {"_segments", "_render_cache", "_cell_count"}),
        (App, {"_batch_count", "_closed", "_driver", "_exit", "_keymap", "_running"}),
        (Console, {"_color_system"}),
    ],
)
def test_a_private_attribute_is_still_assigned(kind: type, names: set[str]) -> None:
    assert names <= assigned_names(kind), f"{kind.__name__}: {names - assigned_names(kind)} is gone. {ADVICE}"


# Behaviour ----------------------------------------------------------------------------------------------


def test_the_parser_gives_up_a_pending_escape_at_its_deadline() -> None:
    now = 100.0
    parser = KeyParser(clock=lambda: now)
    assert (parser.deadline, list(parser.feed("\x1b"))) == (None, []), ADVICE
    assert parser.deadline is not None and parser.deadline > now, ADVICE
    assert list(parser.tick()) == [], ADVICE
    now = parser.deadline
    assert [event.key for event in parser.tick() if isinstance(event, Key)] == ["escape"], ADVICE
    assert parser.deadline is None, ADVICE


def test_an_expired_sequence_is_given_up_by_the_next_tick() -> None:
    parser = KeyParser()
    assert list(parser.feed("\x1b[")) == []
    parser.expire()
    assert [event.key for event in parser.tick() if isinstance(event, Key)] == ["left_square_bracket"], ADVICE
    assert [event.key for event in parser.key_events("j")] == ["j"], ADVICE


class CountingStrip(LazyStrip):
    """A row of ten `x` that counts how often it is made."""

    def __init__(self) -> None:
        super().__init__(10)
        self.segments_made = self.ansi_made = 0

    def make_segments(self) -> list[Segment]:
        self.segments_made += 1
        return [Segment("x" * 10)]

    def make_ansi(self) -> str:
        self.ansi_made += 1
        return "x" * 10

    def crop(self, start: int, end: int | None = None) -> Strip:  # noqa: ARG002
        return self

    def divide(self, cuts: object) -> list[Strip]:  # noqa: ARG002
        return [self]


class StripWidget(Widget):
    """Shows one counting strip."""

    DEFAULT_CSS = "StripWidget { width: 10; height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self.strip = CountingStrip()

    def render_lines(self, crop: object) -> list[Strip]:  # noqa: ARG002
        return [self.strip]


class StripApp(App[None]):
    def compose(self) -> ComposeResult:
        yield StripWidget()


async def test_the_compositor_paints_a_lazy_strip_without_its_segments() -> None:
    app = StripApp()
    async with app.run_test(size=(10, 1)):
        strip = app.query_one(StripWidget).strip
        assert "xxxxxxxxxx" in repaint_text(app), ADVICE
        assert (strip.segments_made, strip.ansi_made) == (0, 1), ADVICE
        repaint_text(app)
        assert strip.ansi_made == 1, f"a strip's bytes are not kept. {ADVICE}"
        assert (strip.text, strip.cell_length, strip.segments_made) == ("x" * 10, 10, 1), ADVICE


class TextApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("one", id="one")
        yield Static("two", id="two")


async def test_repaint_text_repaints_all_or_one_widget() -> None:
    app = TextApp()
    async with app.run_test(size=(10, 2)):
        assert all(word in repaint_text(app) for word in ("one", "two")), ADVICE
        only_two = repaint_text(app, app.query_one("#two"))
        assert "two" in only_two and "one" not in only_two, ADVICE


def test_the_color_system_of_a_console_can_be_changed() -> None:
    console = Console(color_system=None, force_terminal=True)
    for depth, name in (("truecolor", "truecolor"), ("256", "256"), ("16", "standard"), ("none", None)):
        set_color_depth(console, depth)  # type: ignore[arg-type]
        assert console.color_system == name, ADVICE


class FailingApp(AppBase):
    reported = False

    def on_mount(self) -> None:
        raise ZeroDivisionError

    def report_fatal_error(self) -> None:
        self.reported = True


async def test_an_unexpected_error_is_reported_and_ends_the_app() -> None:
    app = FailingApp()
    with pytest.raises(ZeroDivisionError):
        async with app.run_test():
            pass
    assert app.reported, ADVICE


async def test_changed_keys_and_late_bindings() -> None:
    app = TextApp()
    async with app.run_test() as pilot:
        app.set_keymap({"undo": "z"})
        assert changed_keys(app) == {"undo": "z"}, ADVICE
        bind_key(app.screen, "x", "app.exit(7)", "")
        await pilot.press("x")
    assert app.is_running is False, ADVICE


# No other module ------------------------------------------------------------------------------------------


def modules() -> Iterator[Path]:
    """Modules that may not use a private name of Textual or Rich."""
    return (path for path in sorted((ROOT / "draggan_tui").rglob("*.py")) if path != ADAPTER)


def private_names_of_ours(trees: list[ast.Module]) -> set[str]:
    names = {"_replace", "_asdict", "_exit"}  # of named tuples and of `os`
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            names |= {node.attr} if node.value.id in ("self", "cls") else set()
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_only_the_adapter_uses_private_names_of_textual_and_rich() -> None:
    trees = {path: ast.parse(path.read_text()) for path in modules()}
    ours = private_names_of_ours(list(trees.values()))
    problems = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("textual", "rich"):
                imported_names = [f"{node.module}.{alias.name}" for alias in node.names]
                problems += [f"{path}:{node.lineno}: import of {name}" for name in imported_names if "._" in name]
            if (
                isinstance(node, ast.Attribute)
                and node.attr.startswith("_")
                and not node.attr.startswith("__")
                and node.attr not in ours
            ):
                problems.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
    assert problems == []


def test_no_other_class_overrides_a_private_method_of_textual() -> None:
    problems = []
    for path in modules():
        if path.stem == "__main__":
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for kind in vars(importlib.import_module(name)).values():
            if not isinstance(kind, type) or kind.__module__ != name:
                continue
            for base in kind.__mro__[1:]:
                if base.__module__.startswith(("textual.", "rich.")):
                    problems += [
                        f"{name}.{kind.__name__}.{attribute}"
                        for attribute, value in vars(kind).items()
                        if isinstance(value, FunctionType | property)
                        and attribute.startswith("_")
                        and not attribute.startswith("__")
                        and attribute in vars(base)
                    ]
    assert problems == []
