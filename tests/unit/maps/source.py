"""Reads what the source tree defines, without importing it: names, tables and their columns."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
PACKAGES: Final = ("certsmith", "services", "shared")
_TABLE: Final = re.compile(r"^CREATE TABLE (\w+\.\w+) \((.*?)^\)", re.MULTILINE | re.DOTALL)
_ADDED_COLUMN: Final = re.compile(r"ADD COLUMN (?:IF NOT EXISTS )?(\w+)")
_COLUMN: Final = re.compile(r"^    ([a-z]\w*) [a-z]", re.MULTILINE)


@functools.cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Return the name and the syntax tree of each module of the programs and of `shared`."""
    return tuple(_modules())


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield name, ast.parse(path.read_text())


@functools.cache
def names() -> frozenset[str]:
    """Return the full name of each module, class, function, method, constant and field, and of each re-export."""
    found = set()
    for module, tree in modules():
        found.add(module)
        found.update(f"{module}.{name}" for name in _defined(tree.body))
    return frozenset(found)


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.ClassDef(name=name, body=inner):
                yield name
                yield from (f"{name}.{each}" for each in _defined(inner))
                yield from (f"{name}.{each}" for each in _attributes(node))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.ImportFrom(names=imported):
                yield from (each.asname or each.name for each in imported)
            case _:
                continue


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    """Yield the attributes that the methods of a class assign to `self`."""
    for each in ast.walk(node):
        match each:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name
            case _:
                continue


@functools.cache
def constants() -> frozenset[str]:
    """Return all string literals of the code: event types, states, codes, metrics, log events."""
    return frozenset(
        node.value
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@functools.cache
def tables() -> dict[str, frozenset[str]]:
    """Return the columns of each table, by the table's name with its schema."""
    scripts = [path.read_text() for path in sorted((ROOT / "shared/store/migrations").glob("*.sql"))]
    found = {name: {*_COLUMN.findall(body)} for script in scripts for name, body in _TABLE.findall(script)}
    for script in scripts:
        for statement in script.split(";"):
            altered = re.search(r"ALTER TABLE (\w+\.\w+)", statement)
            if altered and altered[1] in found:
                found[altered[1]].update(_ADDED_COLUMN.findall(statement))
    return {name: frozenset(columns) for name, columns in found.items()}


def subclasses_of(base: str) -> dict[str, tuple[str, str]]:
    """Return module and direct base of each class below *base*, by the name of the class."""
    bases = {
        node.name: (module, [each.id for each in node.bases if isinstance(each, ast.Name)])
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found: dict[str, tuple[str, str]] = {}
    parents = {base}
    while parents:
        children = {
            name: (module, parent) for name, (module, of) in bases.items() for parent in of if parent in parents
        }
        found.update(children)
        parents = set(children)
    return found
