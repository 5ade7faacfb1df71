"""The figures about names and layout, counted on small trees."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts import code_figures
from scripts.code_figures import Figure, comparison, count_figures, report
from scripts.python_sources import PROJECT, SourceFile, local_names, variable_names


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """Write Python files below `root`, with the packages' directories."""
    for directory in ("draggan_tui", "engine/draggan_engine", "tests"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def figures_of(root: Path, files: dict[str, str]) -> dict[str, Figure]:
    return {figure.name: figure for figure in count_figures(write_tree(root, files))}


def places(figure: Figure) -> list[str]:
    return [f"{place.path.name}:{place.line} {place.text}" for place in figure.places]


def source_of(text: str) -> SourceFile:
    return SourceFile(Path("draggan_tui/example.py"), "draggan_tui.example", text)


def test_local_names_are_parameters_and_everything_that_a_function_binds() -> None:
    source = source_of(
        """
def outer(self, first, /, second=1, *rest, key_word, **options):
    global module_name
    module_name = left, right = first
    for item in (walrus := rest):
        with open(item) as file:
            pass
    try:
        inside = [element for element in options if (lambda argument: argument)(element)]
    except OSError as error:
        pass
    match second:
        case {"a": captured, **others} | [captured, *others]:
            pass
    _ = 1
    self.attribute = loaded
    def inner(hidden):
        nested = hidden
"""
    )
    assert set(local_names(source.functions[0])) == {
        "first", "second", "rest", "key_word", "options", "left", "right", "item", "walrus", "file", "inside", "element",
        "argument", "error", "captured", "others",
    }  # fmt: skip
    assert set(local_names(source.functions[1])) == {"hidden", "nested"}


def test_variables_of_a_file_include_fields_attributes_and_module_variables() -> None:
    source = source_of(
        """
MODULE_LIMIT: int = 3
class Thing:
    some_field: int
    def method(self, argument, ab):
        self._attribute = self.loaded = argument
"""
    )
    assert set(variable_names(source)) == {"MODULE_LIMIT", "some_field", "argument", "_attribute", "loaded"}


def test_shares_of_one_word_names(tmp_path: Path) -> None:
    text = "def first(size, image_size, x, mask): pass\ndef second(_size): pass\n"
    figures = figures_of(tmp_path, {"draggan_tui/a.py": text, "tests/test_a.py": "def test(size): pass"})
    assert figures["one-word-variables"].value == "75.0% of 4"  # size, image_size, mask, _size
    assert figures["one-word-locals"].value == "66.7% of 3"  # size, image_size, _size
    assert figures["one-word-locals-all"].value == "80.0% of 5"
    assert places(figures["one-word-locals"]) == ["a.py:1 size", "a.py:2 _size"]


def test_vague_names_count_in_every_role(tmp_path: Path) -> None:
    text = """
def said(what):
    found = what.known
    call(given=found_points)
    try: pass
    except OSError as seen: pass
"""
    figure = figures_of(tmp_path, {"engine/draggan_engine/core/a.py": text})["vague-names"]
    assert figure.value == "7"
    assert sorted(place.text for place in figure.places) == ["found", "given", "known", "said", "seen", "what", "what"]


def test_modules_at_the_roots_do_not_count_dunder_modules(tmp_path: Path) -> None:
    names = ("draggan_tui/__init__.py", "draggan_tui/__main__.py", "draggan_tui/app.py", "draggan_tui/cli/run.py")
    figures = figures_of(tmp_path, dict.fromkeys((*names, "engine/draggan_engine/server.py"), ""))
    assert places(figures["root-modules-draggan_tui"]) == ["app.py:1 draggan_tui.app"]
    assert places(figures["root-modules-draggan_engine"]) == ["server.py:1 draggan_engine.server"]


def test_a_public_name_is_repeated_if_two_rooms_define_it(tmp_path: Path) -> None:
    files = {
        "draggan_tui/widgets/a.py": "class Size: pass\nLIMIT = 1\ndef main(): pass\nclass Once: pass",
        "draggan_tui/widgets/deep/b.py": "LIMIT = 2\ndef _own(): pass",
        "draggan_tui/c.py": "from .widgets.a import Once\nLISTS = [size for size in ()]\ndef _own(): pass\ndef main(): pass",
        "engine/draggan_engine/core/size.py": "Size = tuple[int, int]\nsize: int = 3",
    }
    figure = figures_of(tmp_path, files)["repeated-definitions"]
    assert figure.value == "1"
    assert places(figure) == ["a.py:1 Size", "size.py:1 Size"]


def test_private_names_used_across_modules(tmp_path: Path) -> None:
    user = """
import torch
from . import helper
from .helper import _hidden, Shared
from draggan_engine.core.store import Store
from textual._xterm_parser import XTermParser
class Derived(Shared):
    def run(self, store: Store):
        self._own = torch._C
        helper._other()
        store._path
        store._own
        store._replace()
        self._shared
        super()._shared
        type(self).__name__
"""
    files = {
        "draggan_tui/editor/user.py": user,
        "draggan_tui/editor/helper.py": "def _hidden(): _other()\ndef _other(): pass\nclass Shared:\n    _shared: int\n",
        "engine/draggan_engine/core/store.py": "class Store:\n    def __init__(self): self._path = self._C = 1\n",
    }
    figures = figures_of(tmp_path, files)
    assert places(figures["private-uses"]) == [
        "user.py:4 import of draggan_tui.editor.helper._hidden",
        "user.py:10 helper._other",
        "user.py:11 store._path",
    ]
    assert places(figures["inherited-private-uses"]) == ["user.py:14 self._shared", "user.py:15 super()._shared"]


def test_sizes(tmp_path: Path) -> None:
    long_class = "class Long:\n" + "    def method(self):\n" + 61 * "        pass\n" + 250 * "    value = 1\n"
    files = {"draggan_tui/a.py": long_class, "draggan_tui/b.py": 401 * "pass\n", "draggan_tui/c.py": 400 * "pass\n"}
    figures = figures_of(tmp_path, files)
    assert figures["largest-files"].value == "401 (b.py)"
    assert places(figures["large-files"]) == ["b.py:1 b.py: 401 lines"]
    assert figures["largest-classes"].value == "313 (Long)"
    assert places(figures["large-classes"]) == ["a.py:1 Long: 313 lines"]
    assert figures["largest-functions"].value == "62 (method)"
    assert places(figures["large-functions"]) == ["a.py:2 method: 62 lines"]


def test_patches_in_tests(tmp_path: Path) -> None:
    text = """
monkeypatch.setattr(module, "public", value._x)
monkeypatch.setattr(module, "_hidden", value)
monkeypatch.setattr(thing._part, "public", value)
monkeypatch.setattr("package.module._hidden", value)
monkeypatch.setattr("package.module.public", value)
monkeypatch.setattr(module, "__version__", value)
monkeypatch.setenv("_A", "b")
"""
    figures = figures_of(tmp_path, {"tests/ui/test_a.py": text})
    assert figures["patches"].value == "6"
    assert [place.line for place in figures["private-patches"].places] == [3, 4, 5]


def test_the_report_and_the_comparison_are_tables() -> None:
    before = [Figure("large-files", "files over 400 lines", "12", "0", ())]
    after = [Figure("large-files", "files over 400 lines", "3", "0", ())]
    assert report(after).splitlines()[2] == "| files over 400 lines | 3     | 0   | large-files |"
    assert comparison("v1", before, after).splitlines() == [
        "| figure               | v1 | working tree | aim |",
        "| -------------------- | -- | ------------ | --- |",
        "| files over 400 lines | 12 | 3            | 0   |",
    ]


def test_an_unknown_figure_is_refused_with_a_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(code_figures, "PROJECT", write_tree(tmp_path, {}))
    monkeypatch.setattr("sys.argv", ["code_figures.py", "--list", "no-such-figure"])
    with pytest.raises(SystemExit):
        code_figures.main()
    assert "no figure is called no-such-figure; there are one-word-variables, " in capsys.readouterr().err


def test_a_revision_is_counted_from_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = write_tree(tmp_path, {"draggan_tui/a.py": "", "engine/draggan_engine/a.py": "", "tests/a.py": ""})
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    (root / "draggan_tui/b.py").write_text("")
    monkeypatch.setattr(code_figures, "PROJECT", root)
    by_name = {figure.name: figure.value for figure in code_figures.count_figures_of_revision("HEAD")}
    assert by_name["root-modules-draggan_tui"] == "1"
    with pytest.raises(SystemExit, match="git archive no-such-revision: "):
        code_figures.count_figures_of_revision("no-such-revision")


def test_the_project_itself_can_be_counted() -> None:
    assert {figure.name for figure in count_figures(PROJECT)} >= {"one-word-variables", "vague-names", "patches"}
