"""Which code and data files a step reaches: part of its key, so that a changed rule is never served from the cache.

    code_version(("tasks.train.step", "tasks.train.trainer_main"))     16 hex digits
    reached(("tasks.train.step", "tasks.train.trainer_main"))          the names behind them

A step declares the modules that do its work. They count with all that they import of the house, and with the data
files (templates, style sheets, scripts, SQL) that any of these names, but for plumbing
(`tasks.runtime.plumbing`) and what the step says is apart.
A child process's module is declared by name: nobody imports it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

import orjson

from storage.records import digest
from tasks.runtime import code_digest
from tasks.runtime.plumbing import BY_SETTINGS, DECLARED, PLUMBING

ROOMS = ("tasks", "prompts", "puzzles", "storage", "evals")
DATA = ("j2", "css", "js", "sql", "jinja", "json", "txt", "toml", "csv")  # endings of files that code may read
_IMPORT = re.compile(rb"^[ \t]*(?:from ([\w.]+) import (\([^)]*\)|[^\n#]+)|import ([^\n#]+))", re.MULTILINE)
_NAMED = re.compile(rb"""["']([\w./-]+)["']""")
_FOLDER = re.compile(rb"""(?:with_name\(|/ )["']([\w-]+)["']""")
_HOUSE = Path(__file__).resolve().parents[2]
Known = list[str]


@functools.cache
def code_version(modules: str | tuple[str, ...], apart: tuple[str, ...] = ()) -> str:
    """Digest of what these modules reach; see `reached`. What docstrings, comments and log lines say is no part."""
    files = reached((modules,) if isinstance(modules, str) else modules, apart)
    return digest(files)[:16]


def reached(modules: Sequence[str], apart: Sequence[str] = ()) -> dict[str, str]:
    """Digests of all that counts, by dotted name of a module or path of a data file below the house.

    `apart` names modules or packages that are not walked into. What `modules` names, packages too, counts always.
    """
    apart, found, queue = (*apart, *PLUMBING, *DECLARED), dict[str, str](), list(modules)
    while queue:
        name = queue.pop()
        path = None if name in found else _source(name)
        if path is None or (_within(name, apart) and not _within(name, modules)):
            continue
        found[name], imports, named = _read(path)
        queue += imports
        for word in named:
            found |= _data(path.parent, word)
    _memory().keep()
    return found


def _within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@functools.cache
def _read(path: Path) -> tuple[str, Known, Known]:
    """A file's own digest, what it imports, and the words in it that may name data files."""
    text, memory = path.read_bytes(), _memory()
    if known := memory.recall(path, text):
        return known
    return memory.note(path, text, code_digest.code_digest(text), _imports(text), _words(text))


class Memory:
    """What files came to, for the processes to come: kept where, and if, Python keeps its bytecode."""

    def __init__(self, file: Path) -> None:
        self.file, self.new = file, False
        rules = (Path(__file__), Path(code_digest.__file__))
        self.rule = hashlib.sha256(b"".join(rule.read_bytes() for rule in rules)).digest()
        self.held: dict[str, tuple[str, str, Known, Known]] = {}
        with suppress(OSError, orjson.JSONDecodeError):
            self.held = orjson.loads(file.read_bytes())

    def recall(self, path: Path, text: bytes) -> tuple[str, Known, Known] | None:
        """What a file of this very text came to by this very rule."""
        found = self.held.get(str(path))
        return (found[1], found[2], found[3]) if found and found[0] == self._seen(text) else None

    def note(self, path: Path, text: bytes, own: str, imports: Known, words: Known) -> tuple[str, Known, Known]:
        self.held[str(path)], self.new = (self._seen(text), own, imports, words), True
        return own, imports, words

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


@functools.cache
def _data(folder: Path, word: str) -> dict[str, str]:
    """Digests of the data files that a word names in `folder` or above it, with those that they include."""
    while folder != _HOUSE:
        place = os.path.join(folder, word)
        if os.path.isfile(place):
            return _file(place)
        if os.path.isdir(place):
            files = [entry.path for entry in os.scandir(place) if entry.name.rpartition(".")[2] in DATA]
            return {name: of for path in sorted(files) for name, of in _file(path).items()}
        folder = folder.parent
    return {}


def _file(place: str) -> dict[str, str]:
    name = os.path.relpath(place, _HOUSE)
    if os.path.dirname(name) in BY_SETTINGS:
        return {}
    text = Path(place).read_bytes()
    included = (word.decode() for word in _NAMED.findall(text) if b"." in word)
    found = {name: hashlib.sha256(text).hexdigest()}
    for word in included:
        if word.rpartition(".")[2] in DATA and os.path.basename(place) != word:
            found |= _data(Path(place).parent, word)
    return found


def _imports(text: bytes) -> Known:
    names = []
    for module, members, modules in _IMPORT.findall(text):
        named = [part.split()[0].decode() for part in (members or modules).strip(b"()").split(b",") if part.split()]
        names += [module.decode(), *(f"{module.decode()}.{name}" for name in named)] if module else named
    return names


def _words(text: bytes) -> Known:
    """Strings that end as data files do, or that a path is given as its last part: a folder of them."""
    words = {word.decode() for word in _NAMED.findall(text)}
    folders = {word.decode() for word in _FOLDER.findall(text)}
    return sorted({word for word in words if "." in word and word.rpartition(".")[2] in DATA} | folders)
