"""Print figures about the names and the layout of the two packages.

    python scripts/code_figures.py                           # the working tree
    python scripts/code_figures.py --compare cafbbc5         # an earlier revision beside it
    python scripts/code_figures.py --list private-uses       # the places that a figure counts

The script parses the source and runs none of it. It is a report: it succeeds whatever the figures are.

A name is *one word* if it has no underscore, apart from leading and trailing ones: `_size` is one word, `image_size` is
two. There are three shares of one-word names, because each answers another question:

- `one-word-variables`: parameters, local variables, fields, attributes that are assigned, and module variables; each name
  once per file; names of one or two letters are left out. This reproduces the 92 % of the review of November 2026.
- `one-word-locals`: parameters and local variables, each name once per function. Comprehensions and lambdas belong to the
  function around them. `self`, `cls`, `_`, `INDEX_NAMES` and `FIELD_WORDS` are left out.
- `one-word-locals-all`: the same with `INDEX_NAMES` and `FIELD_WORDS`.

A *room* is a directory directly below a package; the modules at the package's root are a room too. A private name is used
*across modules* if it is imported from another module of ours, or read from an object while only other modules of ours
define it. Reading it from `self`, `cls` or `super()` is counted apart: a base class or a mixin shares it.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.python_sources import (
    PACKAGES,
    PROJECT,
    TESTS,
    Definition,
    Place,
    SourceFile,
    imported_names,
    is_private,
    local_names,
    private_definitions,
    public_definitions,
    read_sources,
    variable_names,
)

VAGUE_NAMES = frozenset({"found", "there", "told", "said", "asked", "given", "known", "seen", "wanted", "what"})
INDEX_NAMES = frozenset({"i", "j", "k", "n", "x", "y"})
FIELD_WORDS = frozenset(
    {
        "z", "w", "ws", "psi", "seed", "seeds", "latent", "latents", "generator", "checkpoint", "image", "images", "preview",
        "handle", "handles", "target", "targets", "mask", "masks", "loss", "landmark", "landmarks", "revision", "trajectory",
        "settings", "directory", "video",
    }
)  # fmt: skip
MAX_ROOT_MODULES, MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_CLASS_LINES = 6, 400, 60, 300


@dataclass(frozen=True)
class Figure:
    """One row of the report. `name` is what `--list` takes; `aim` is empty if there is none."""

    name: str
    title: str
    value: str
    aim: str
    places: Sequence[Place]


# Names ----------------------------------------------------------------------------------------------------


def is_one_word(name: str) -> bool:
    return "_" not in name.strip("_")


def share_figure(name: str, title: str, aim: str, names: Iterable[tuple[SourceFile, str, ast.AST]]) -> Figure:
    all_names = list(names)
    places = [source.place(node, variable) for source, variable, node in all_names if is_one_word(variable)]
    share = len(places) / max(len(all_names), 1)
    return Figure(name, title, f"{share:.1%} of {len(all_names)}", aim, places)


def one_word_figures(sources: Sequence[SourceFile]) -> list[Figure]:
    variables = [(source, *item) for source in sources for item in variable_names(source).items()]
    local_variables = [
        (source, *item) for source in sources for function in source.functions for item in local_names(function).items()
    ]
    own_choices = [item for item in local_variables if item[1] not in INDEX_NAMES | FIELD_WORDS]
    return [
        share_figure("one-word-variables", "one-word variables, once per file", "≤ 65 %", variables),
        share_figure("one-word-locals", "one-word locals, without the field's words", "", own_choices),
        share_figure("one-word-locals-all", "one-word locals, all", "", local_variables),
    ]


def vague_names(source: SourceFile) -> Iterator[Place]:
    """Yield each use of a vague name as a variable, parameter, attribute, keyword or function."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ExceptHandler(name=str(name)):
                pass
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                pass
            case _:
                continue
        if name in VAGUE_NAMES:
            yield source.place(node, name)


# Layout ---------------------------------------------------------------------------------------------------


def root_module_figures(sources: Sequence[SourceFile]) -> list[Figure]:
    """Count modules at each package root, without `__init__.py` and `__main__.py`."""
    figures = []
    for package in (directory.name for directory in PACKAGES):
        places = [
            Place(source.path, 1, source.module)
            for source in sources
            if source.package == package and source.is_at_package_root and not source.path.stem.startswith("__")
        ]
        title = f"modules at the root of {package}"
        figures.append(Figure(f"root-modules-{package}", title, str(len(places)), f"≤ {MAX_ROOT_MODULES}", places))
    return figures


def repeated_definitions(sources: Sequence[SourceFile]) -> Figure:
    rooms_by_name: dict[str, dict[str, Place]] = defaultdict(dict)
    for source in sources:
        for name, node in public_definitions(source.tree):
            rooms_by_name[name].setdefault(source.room, source.place(node, name))
    repeated = [rooms for _, rooms in sorted(rooms_by_name.items()) if len(rooms) > 1]
    places = [place for rooms in repeated for place in rooms.values()]
    return Figure("repeated-definitions", "public names defined in two rooms", str(len(repeated)), "0", places)


def size_figure(kind: str, name: str, limit: int, sizes: Iterable[tuple[Place, int]]) -> list[Figure]:
    """Return two figures: the largest of a kind, and how many are over the limit."""
    ordered = sorted(sizes, key=lambda item: -item[1])
    largest = f"{ordered[0][1]} ({ordered[0][0].text})" if ordered else "none"
    oversized = [
        Place(place.path, place.line, f"{place.text}: {lines} lines") for place, lines in ordered if lines > limit
    ]
    return [
        Figure(f"largest-{name}", f"largest {kind}, lines", largest, "", [place for place, _ in ordered[:10]]),
        Figure(f"large-{name}", f"{kind} over {limit} lines", str(len(oversized)), "", oversized),
    ]


def size_figures(sources: Sequence[SourceFile]) -> list[Figure]:
    def definition_sizes(kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[tuple[Place, int]]:
        for source in sources:
            for node in ast.walk(source.tree):
                if isinstance(node, kind) and isinstance(node, Definition):
                    yield source.place(node, node.name), (node.end_lineno or node.lineno) - node.lineno + 1

    file_sizes = ((Place(source.path, 1, source.path.name), source.line_count) for source in sources)
    return [
        *size_figure("file", "files", MAX_FILE_LINES, file_sizes),
        *size_figure("class", "classes", MAX_CLASS_LINES, definition_sizes(ast.ClassDef)),
        *size_figure(
            "function", "functions", MAX_FUNCTION_LINES, definition_sizes((ast.FunctionDef, ast.AsyncFunctionDef))
        ),
    ]


# Private names --------------------------------------------------------------------------------------------


def imported_private_names(source: SourceFile, modules: set[str]) -> Iterator[Place]:
    """Yield the imports of private names from other modules of ours, and the private names read from those modules."""
    own_packages = {module.partition(".")[0] for module in modules}
    module_aliases = set()
    for dotted_name, alias, node in imported_names(source):
        if dotted_name in modules:
            module_aliases.add(alias)
        if dotted_name.partition(".")[0] in own_packages and is_private(dotted_name.rpartition(".")[2]):
            yield source.place(node, f"import of {dotted_name}")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) in module_aliases:
            yield source.place(node, ast.unparse(node))


def private_attributes_of_others(source: SourceFile, defined_by: Mapping[str, set[str]]) -> Iterator[ast.Attribute]:
    """Yield the private attributes that are read in a file but defined in other modules of ours only.

    Attributes of imported modules are left out: `imported_private_names` counts those of ours, and the others are not ours.
    """
    aliases = {alias for _, alias, _ in imported_names(source)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) not in aliases:
            defining_modules = defined_by.get(node.attr, set())
            if defining_modules and source.module not in defining_modules:
                yield node


def is_own_object(node: ast.expr) -> bool:
    return ast.unparse(node) in {"self", "cls", "super()"}


def private_use_figures(sources: Sequence[SourceFile]) -> list[Figure]:
    defined_by: dict[str, set[str]] = defaultdict(set)
    for source in sources:
        for name in private_definitions(source.tree):
            defined_by[name].add(source.module)
    modules = {source.module for source in sources}
    used = [place for source in sources for place in imported_private_names(source, modules)]
    inherited: list[Place] = []
    for source in sources:
        for node in private_attributes_of_others(source, defined_by):
            places = inherited if is_own_object(node.value) else used
            places.append(source.place(node, ast.unparse(node)))
    return [
        Figure("private-uses", "private names used across modules", str(len(used)), "0", used),
        Figure("inherited-private-uses", "the same, through self (mixins)", str(len(inherited)), "", inherited),
    ]


def patch_figures(tests: Sequence[SourceFile]) -> list[Figure]:
    calls = [
        (source, node)
        for source in tests
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr"
    ]
    private_calls = [call for call in calls if reaches_private_name(call[1])]
    return [
        Figure(name, title, str(len(chosen_calls)), aim, [source.place(call, ast.unparse(call)) for source, call in chosen_calls])
        for name, title, aim, chosen_calls in (
            ("patches", "monkeypatch.setattr in tests", "", calls),
            ("private-patches", "monkeypatch.setattr of private names", "0", private_calls),
        )
    ]  # fmt: skip


def reaches_private_name(call: ast.Call) -> bool:
    """Return whether the patched object, or its dotted name, has a private part."""
    target = call.args[:1] if len(call.args) < 3 else call.args[:2]
    dotted_names = [
        node.attr if isinstance(node, ast.Attribute) else node.value
        for argument in target
        for node in ast.walk(argument)
        if isinstance(node, ast.Attribute | ast.Constant)
    ]
    return any(is_private(part) for name in dotted_names if isinstance(name, str) for part in name.split("."))


# Report ---------------------------------------------------------------------------------------------------


def count_figures(root: Path) -> list[Figure]:
    """Return all figures of the tree at `root`."""
    sources = read_sources(root, PACKAGES)
    vague_places = [place for source in sources for place in vague_names(source)]
    return [
        *one_word_figures(sources),
        Figure("vague-names", f"uses of {' '.join(sorted(VAGUE_NAMES))}", str(len(vague_places)), "0", vague_places),
        *root_module_figures(sources),
        repeated_definitions(sources),
        *private_use_figures(sources),
        *size_figures(sources),
        *patch_figures(read_sources(root, [TESTS])),
    ]


def count_figures_of_revision(revision: str) -> list[Figure]:
    """Return all figures of a git revision of this project.

    Raises:
        SystemExit: git does not know the revision.
    """
    archive = subprocess.run(["git", "archive", revision], cwd=PROJECT, capture_output=True)
    if archive.returncode:
        raise SystemExit(f"git archive {revision}: {archive.stderr.decode(errors='replace').strip()}")
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(directory, filter="data")
        return count_figures(Path(directory))


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def report(figures: Sequence[Figure]) -> str:
    rows = [(figure.title, figure.value, figure.aim, figure.name) for figure in figures]
    return format_table(("figure", "value", "aim", "--list"), rows)


def comparison(revision: str, before: Sequence[Figure], after: Sequence[Figure]) -> str:
    rows = [(old.title, old.value, new.value, new.aim) for old, new in zip(before, after, strict=True)]
    return format_table(("figure", revision, "working tree", "aim"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", metavar="REV", help="also count the figures of a git revision")
    parser.add_argument(
        "--list", metavar="FIGURE", help="print the places that a figure counts, instead of the figures"
    )
    options = parser.parse_args()
    figures = count_figures(PROJECT)
    if options.list is not None:
        chosen = [figure for figure in figures if figure.name == options.list]
        if not chosen:
            parser.error(
                f"no figure is called {options.list}; there are {', '.join(figure.name for figure in figures)}"
            )
        for place in chosen[0].places:
            print(f"{place.path}:{place.line}: {place.text}")
    elif options.compare is not None:
        print(comparison(options.compare, count_figures_of_revision(options.compare), figures))
    else:
        print(report(figures))


if __name__ == "__main__":
    main()
