"""Which code a step reaches: part of its key, so that a changed rule is never served from the cache."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

from storage.records import digest

ROOMS = ("tasks", "prompts", "puzzles", "storage", "evals")
_IMPORT = re.compile(rb"^[ \t]*(?:from ([\w.]+) import (\([^)]*\)|[^\n#]+)|import ([^\n#]+))", re.MULTILINE)
_NO_CODE = 2  # what Python leaves out at its second level of optimisation: docstrings, and assertions


@functools.cache
def code_version(module: str) -> str:
    """Digest of a module's code and of all house modules it imports; what docstrings and comments say is no part.

    It is taken of what Python compiles, which is several times cheaper than of the syntax tree. Another minor
    version of Python compiles otherwise and so gives other digests.
    """
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
    text = path.read_bytes()
    code = compile(text, "", "exec", dont_inherit=True, optimize=_NO_CODE)
    found = hashlib.sha256()
    for part in _parts(code):
        found.update(part + b"\0")
    return found.hexdigest(), _imports(text)


@functools.cache
def _source(name: str) -> Path | None:
    """The house's file behind a dotted name, by its place: looking it up as a module would import its parents."""
    room, *rest = name.split(".")
    if room not in ROOMS:
        return None
    place = Path(__file__).resolve().parents[1].joinpath(room, *rest)
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _parts(code: CodeType) -> Iterator[bytes]:
    """All of a code object that says what it does, and nothing of where it stands."""
    signature = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    yield repr((code.co_name, signature, names)).encode()
    yield code.co_code + code.co_exceptiontable
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)
        else:  # a set has no order that holds in another process
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant).encode()


def _imports(text: bytes) -> list[str]:
    names = []
    for module, members, modules in _IMPORT.findall(text):
        named = [part.split()[0].decode() for part in (members or modules).strip(b"()").split(b",") if part.split()]
        names += [module.decode(), *(f"{module.decode()}.{name}" for name in named)] if module else named
    return names
