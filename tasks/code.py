"""Which code a step reaches: part of its key, so that a changed rule is never served from the cache."""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

from storage.records import digest

ROOMS = ("tasks", "prompts", "puzzles", "storage", "evals")


@functools.cache
def code_version(module: str) -> str:
    """Digest of a module's code and of all house modules it imports, docstrings and comments apart."""
    seen: dict[str, str] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        if name in seen or (path := _source(name)) is None:
            continue
        seen[name], imports = _read(path)
        queue += imports
    return digest(seen)[:16]


@functools.cache
def _read(path: Path) -> tuple[str, list[str]]:
    """A file's own digest, and what it imports."""
    tree = ast.parse(path.read_bytes())
    return hashlib.sha256(ast.dump(_bare(tree)).encode()).hexdigest(), _imports(tree)


def _source(name: str) -> Path | None:
    """The house's file behind a dotted name, by its place: looking it up as a module would import its parents."""
    room, *rest = name.split(".")
    if room not in ROOMS:
        return None
    place = Path(__file__).resolve().parents[1].joinpath(room, *rest)
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _imports(tree: ast.Module) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _bare(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                node.body = body[1:]  # type: ignore[attr-defined]
    return tree
