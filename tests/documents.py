"""The commands on the pages of README.md and docs/: collected, held against the command line, run.

Every line of a `sh` block is run, in the order of the page, in a folder that `tests/test_docs.py` prepares. What needs
more than a test has is named in a comment right before the block, with the reason:

    <!-- not run, a GPU: ponens run, ponens serve -->     the lines that begin so; none named: the whole block
    <!-- shortened, ponens run: --set train.max_steps=8 -->     added to the lines that begin so, where they are run
    <!-- file: mine.toml -->                             before any block: what it says is written to this file

Such a line is parsed instead, as is every `ponens …` in running text: its command and options have to exist.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import typer
from typer.core import TyperGroup

from flows.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "reference" not in p.parts),
]
SHELL = {"cat", "cd", "cp", "export", "head", "ls", "mkdir", "printf", "rm", "sed", "set", "unset"}  # a shell runs them
ELSEWHERE = {
    *("cmake", "curl", "docker", "git", "kubectl", "llamafactory-cli", "mlflow", "pip", "prefect", "psql", "python3"),
    *("apt-get", "ray", "runuser", "swift", "tar", "torchrun", "uv"),
}  # other people's programs: never run, and their options are theirs to check
_BLOCK = re.compile(r"(?P<notes>(?:^<!--[^\n]*-->\n)*)^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_NOTE = re.compile(r"<!-- (not run|shortened|file)(?:, ([^:]+?))?(?:: (.+?))? -->")
_INLINE = re.compile(r"`(ponens [^`]+)`")
_COMMAND: Any = typer.main.get_command(app)
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # the one that typer does not export


@dataclass(frozen=True)
class Line:
    """One line of a page: what a reader would type."""

    page: str
    number: int
    text: str
    why_not: str = ""
    added: tuple[str, ...] = ()
    file: str = ""
    """Where `text` is to be written; empty for a command."""

    def __str__(self) -> str:
        return f"{self.page}:{self.number}: {self.text}"


def lines(page: Path) -> Iterator[Line]:
    """The lines of a page's `sh` blocks in order. ValueError for a comment that says nothing known."""
    text, name = page.read_text("utf-8"), str(page.relative_to(ROOT))
    for block in _BLOCK.finditer(text):
        skipped: dict[str, str] = {}
        shortened: dict[str, tuple[str, ...]] = {}
        file = ""
        for note in block["notes"].splitlines():
            if not (said := _NOTE.fullmatch(note)) or not (said[2] or said[1] == "file"):
                raise ValueError(f"{name}: {note!r}: expected not run, REASON: COMMAND, … or shortened, COMMAND: WORDS")
            if said[1] == "shortened":
                shortened[said[2]] = tuple(shlex.split(said[3]))
            elif said[1] == "file":
                file = said[3]
            else:
                skipped |= dict.fromkeys((said[3] or "").split(", "), said[2])
        first = text.count("\n", 0, block.start("text")) + 1
        if file:
            yield Line(name, first, block["text"], file=file)
        if block["language"] not in {"sh", "bash", "shell", "console"}:
            continue
        typed = block["text"].replace("\\\n", "  ").splitlines()
        for number, line in enumerate(typed, first):
            if line.strip() and not line.lstrip().startswith("#"):
                why = next((why for start, why in skipped.items() if line.startswith(start)), "")
                added = next((words for start, words in shortened.items() if line.startswith(start)), ())
                yield Line(name, number, line, why, added)


def mentioned(page: Path) -> Iterator[Line]:
    """Each `ponens …` in a page's running text."""
    text, name = page.read_text("utf-8"), str(page.relative_to(ROOT))
    outside = re.sub(r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), text, flags=re.M | re.S)
    for found in _INLINE.finditer(outside):
        yield Line(name, outside.count("\n", 0, found.start()) + 1, found[1])


def simple(line: str) -> list[list[str]]:
    """The simple commands of a line: words, without assignments, redirections and what joins commands."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&;"):
            commands.append([])
        elif commands[-1] or not re.fullmatch(r"[A-Z_]+=.*", word):
            commands[-1].append(word)
    return [[word for word in words if not re.match(r"\d?>", word)] for words in commands if words]


def check(line: Line) -> None:
    """ValueError if the line has a command or an option that does not exist."""
    given = dict(re.findall(r"\b([A-Z_]+)=(\S+)", line.text))
    for words in [] if line.file else simple(line.text):
        program, *arguments = words
        if program == "ponens":
            with mock.patch.dict(os.environ, given):
                _parse(line, arguments)
        elif program == "make":
            _target(line, arguments)
        elif program.endswith("python") and arguments:
            _script(line, arguments)
        elif program not in SHELL | ELSEWHERE:
            raise ValueError(f"{line}: {program!r} is no command that pages may use")


def options_exist(line: Line) -> None:
    """ValueError if words that are a command, or words that begin with dashes, are none. Arguments may be left out."""
    command, path = _COMMAND, "ponens"
    for word in re.split(r"[\s|\\]+", line.text)[1:]:
        if isinstance(command, TyperGroup) and re.fullmatch(r"[a-z]+", word):
            if word not in command.commands:
                raise ValueError(f"{line}: {path} has no command {word!r}")
            command, path = command.commands[word], f"{path} {word}"
        elif found := re.match(r"--[a-z-]+", word):
            known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
            if found[0] not in known:
                raise ValueError(f"{line}: {path} has no option {found[0]!r}")


def _parse(line: Line, arguments: Sequence[str]) -> None:
    command, name, rest = _COMMAND, "ponens", list(arguments)
    context: Any = None
    try:
        while True:
            context = command.make_context(name, rest, parent=context)
            if not isinstance(command, TyperGroup):
                return
            given = [*context._protected_args, *context.args]  # the command's words
            found, command, rest = command.resolve_command(context, given)
            name = str(found)
    except typer.Exit:  # --help
        return
    except _UsageError as error:
        raise ValueError(f"{line}: {error}") from None


def _target(line: Line, arguments: Sequence[str]) -> None:
    made = (ROOT / "Makefile").read_text("utf-8")
    for word in arguments:
        name, given, value = word.partition("=")
        if given and name == "NAME" and not (ROOT / "benchmarks" / f"{value}.py").exists():
            raise ValueError(f"{line}: there is no benchmarks/{value}.py")
        if not re.search(rf"^{re.escape(name)} \?=" if given else rf"^{re.escape(name)}:", made, re.M):
            raise ValueError(f"{line}: the Makefile has no {name!r}")


def _script(line: Line, arguments: Sequence[str]) -> None:
    if arguments[0] == "-m" and arguments[1].split(".")[0] not in {"benchmarks", "docs", "tests"}:
        return
    place = f"{arguments[1].replace('.', '/')}.py" if arguments[0] == "-m" else arguments[0]
    if not (ROOT / place).exists():
        raise ValueError(f"{line}: there is no {place}")
    text = (ROOT / place).read_text("utf-8")
    for word in arguments:
        if word.startswith("--") and f'"{word.partition("=")[0]}"' not in text:
            raise ValueError(f"{line}: {place} has no option {word!r}")
