"""Parse the project's Python files and find the names in them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = (Path("draggan_tui"), Path("engine/draggan_engine"))
TESTS = Path("tests")


SHARED_NAMES = frozenset({"main", "log"})
"""Each program has its `main`, each module its logger: these may be defined in several rooms."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Definition = FunctionNode | ast.ClassDef


@dataclass(frozen=True)
class Place:
    """A line that a figure counts, and the text that `--list` shows for it."""

    path: Path
    line: int
    text: str


@dataclass(frozen=True)
class SourceFile:
    """A parsed module. `path` is relative to the tree; `module` is the dotted name."""

    path: Path
    module: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @cached_property
    def line_count(self) -> int:
        return len(self.text.splitlines())

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]

    @property
    def is_at_package_root(self) -> bool:
        return self.path.parent in PACKAGES

    @property
    def room(self) -> str:
        """The package and its first-level directory, `draggan_tui.widgets`; for a module at the root only the package."""
        return self.package if self.is_at_package_root else ".".join(self.module.split(".")[:2])

    @cached_property
    def functions(self) -> list[FunctionNode]:
        return [node for node in ast.walk(self.tree) if isinstance(node, FunctionNode)]

    def place(self, node: ast.AST, text: str) -> Place:
        return Place(self.path, getattr(node, "lineno", 1), text)


def read_sources(root: Path, directories: Iterable[Path]) -> list[SourceFile]:
    """Return the Python files below directories of a tree, in order of their paths."""
    return [
        SourceFile(path.relative_to(root), module_name(path.relative_to(root)), path.read_text(encoding="utf-8"))
        for directory in directories
        for path in sorted((root / directory).rglob("*.py"))
    ]


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    parts = parts[1:] if parts[0] == "engine" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_private(name: str) -> bool:
    return name.startswith("_") and name.strip("_") != "" and not name.endswith("__")


def parameters(function: FunctionNode | ast.Lambda) -> list[ast.arg]:
    arguments = function.args
    variadic = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *variadic]


def bound_names(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield each name that this node itself binds as a variable."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.ExceptHandler(name=str(name)):
            yield name, node
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name, node
        case ast.Lambda():
            yield from ((argument.arg, argument) for argument in parameters(node))


def nodes_of_scope(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below a scope, without what is inside the functions and classes in it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, Definition):
            yield child
            yield from nodes_of_scope(child)


def local_names(function: FunctionNode) -> dict[str, ast.AST]:
    """Return parameters and local variables by name, each with the first node that binds it."""
    names: dict[str, ast.AST] = {argument.arg: argument for argument in parameters(function)}
    outer_names: set[str] = set()
    for statement in function.body:
        if isinstance(statement, Definition):
            continue
        for node in (statement, *nodes_of_scope(statement)):
            if isinstance(node, ast.Global | ast.Nonlocal):
                outer_names.update(node.names)
            for name, binding in bound_names(node):
                names.setdefault(name, binding)
    return {name: node for name, node in names.items() if name not in {"self", "cls", "_", *outer_names}}


def variable_names(source: SourceFile) -> dict[str, ast.AST]:
    """Return the variables of a file by name: locals, parameters, fields, assigned attributes and module variables."""
    names: dict[str, ast.AST] = {}
    for function in source.functions:
        for name, binding in local_names(function).items():
            names.setdefault(name, binding)
    for scope in (source.tree, *(node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef))):
        for node in nodes_of_scope(scope):
            for name, binding in bound_names(node):
                names.setdefault(name, binding)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.setdefault(node.attr, node)
    return {name: node for name, node in names.items() if len(name) > 2}


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield the public functions, classes and variables that a module defines at its top level."""
    for statement in tree.body:
        names = [statement.name] if isinstance(statement, Definition) else []
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [name for target in targets for node in ast.walk(target) for name, _ in bound_names(node)]
        yield from ((name, statement) for name in names if not name.startswith("_") and name not in SHARED_NAMES)


def private_definitions(tree: ast.Module) -> set[str]:
    """Return the private functions, classes, variables, fields and attributes that a module defines."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, Definition):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        names.update(name for name, _ in bound_names(node))
    return {name for name in names if is_private(name)}


def imported_names(source: SourceFile) -> Iterator[tuple[str, str, ast.AST]]:
    """Yield the dotted name of each import, the name that it has in the file, and its node."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname or alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_module(source, node)
            yield from ((f"{base}.{alias.name}", alias.asname or alias.name, node) for alias in node.names)


def absolute_module(source: SourceFile, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    levels_up = node.level - (source.path.name == "__init__.py")
    parts = source.module.split(".")
    return ".".join([*parts[: len(parts) - levels_up], *([node.module] if node.module else [])])
