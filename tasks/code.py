"""Which code a step reaches: part of its key, so that a changed rule is never served from the cache."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from types import CodeType
from typing import Any

import orjson

from storage.records import digest

ROOMS = ("tasks", "prompts", "puzzles", "storage", "evals")
_IMPORT = re.compile(rb"^[ \t]*(?:from ([\w.]+) import (\([^)]*\)|[^\n#]+)|import ([^\n#]+))", re.MULTILINE)
_HOUSE = Path(__file__).resolve().parents[1]
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
    _memory().keep()
    return digest(seen)[:16]


@functools.cache
def _read(path: Path) -> tuple[str, list[str]]:
    """A file's own digest, and what it imports."""
    text, memory = path.read_bytes(), _memory()
    if known := memory.recall(path, text):
        return known
    code = compile(text, "", "exec", dont_inherit=True, optimize=_NO_CODE)
    found = hashlib.sha256()
    for part in _parts(code):
        found.update(part + b"\0")
    return memory.note(path, text, found.hexdigest(), _imports(text))


class Memory:
    """What files came to, for the processes to come: kept where, and if, Python keeps its bytecode."""

    def __init__(self, file: Path) -> None:
        self.file, self.new = file, False
        self.rule = hashlib.sha256(Path(__file__).read_bytes()).digest()
        self.held: dict[str, list[Any]] = {}
        with suppress(OSError, orjson.JSONDecodeError):
            self.held = orjson.loads(file.read_bytes())

    def recall(self, path: Path, text: bytes) -> tuple[str, list[str]] | None:
        """What a file of this very text came to by this very rule."""
        found = self.held.get(str(path))
        return (found[1], found[2]) if found and found[0] == self._seen(text) else None

    def note(self, path: Path, text: bytes, own: str, imports: list[str]) -> tuple[str, list[str]]:
        self.held[str(path)], self.new = [self._seen(text), own, imports], True
        return own, imports

    def keep(self) -> None:
        """Write what is new; a place that cannot be written to costs the next process some time."""
        if self.new and not sys.dont_write_bytecode:
            self.new, part = False, self.file.with_name(f"{self.file.name}.{os.getpid()}")
            with suppress(OSError):
                part.parent.mkdir(exist_ok=True)
                part.write_bytes(orjson.dumps({path: of for path, of in self.held.items() if Path(path).exists()}))
                part.replace(self.file)

    def _seen(self, text: bytes) -> str:
        return hashlib.sha256(self.rule + text).hexdigest()


@functools.cache
def _memory() -> Memory:
    return Memory(Path(cache_from_source(__file__)).with_suffix(".json"))


@functools.cache
def _source(name: str) -> Path | None:
    """The house's file behind a dotted name, by its place: looking it up as a module would import its parents."""
    room, *rest = name.split(".")
    if room not in ROOMS:
        return None
    place = os.path.join(_HOUSE, room, *rest)  # hundreds of these: pathlib would take ten times as long
    return next((Path(path) for path in (f"{place}.py", f"{place}/__init__.py") if os.path.isfile(path)), None)


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
