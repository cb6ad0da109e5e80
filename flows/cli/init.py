"""ponens init FILE: a commented recipe for a file, guessed from its rows and this machine; nothing is asked or sent."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from flows import show
from flows.cli import commands
from flows.show import stderr, stdout
from storage.dialogues import Kind
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.kinds.registry import KINDS

if TYPE_CHECKING:
    from tasks.draft.recipe import Machine, Survey

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Columns = Annotated[
    list[str], typer.Option(metavar="NAME=COLUMN", help="Your column for a format's, such as prompt=ask.text.")
]


def init(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A file, a folder, or hf://ORG/NAME.", show_default=False)
    ],
    name: Annotated[
        str | None, typer.Option(help="The recipe's and the adapter's name; the file's by default.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="The kind of work; what the rows are for by default.")] = None,
    column: Columns = [],
    first: Annotated[
        int | None, typer.Option(min=0, max=1, help="What keys that are numbers count from, where no key says it.")
    ] = None,
    json: Json = False,
) -> None:
    """Write a commented recipe for a file: kind, mapping, base model, sizes, price, as file and machine suggest."""
    from flows import recipe  # brings the libraries of all steps along: not for --help

    name = _named(path, name)
    file = Path(f"{name}.toml")
    if file.exists():
        raise UsageError(
            f"{file} is there already", expected="a new file", hint="take another --name, or move that file away"
        )
    text, facts = draft(path, name, kind, commands.mapped(column), first)
    recipe.validate(tomllib.loads(text), str(file))  # what is written can be read
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise PonensError(f"{file} cannot be written", seen=error.strerror) from None
    steps = _next(file, facts["kind"])
    if json:
        return show.emit({"recipe": str(file.resolve()), "name": name, **facts, "next": steps})
    _tell(file, facts, steps)


def draft(
    path: str, name: str, kind: str | None, columns: Mapping[str, Any], first: int | None
) -> tuple[str, dict[str, Any]]:
    """The text of a recipe for what lies at `path`, and what it was made from. UsageError for what none can be made of.

    `columns` is read in place of what would be guessed.
    """
    from tasks.draft import recipe as work

    guess, formats, found = _seen(path, columns, first)
    which, here = work.kind_of(found, kind), work.machine()
    if KINDS[which].letters and not found.keyed:
        raise UsageError(
            f"no question of {path} has a key: nothing could be learnt or measured",
            seen=f"{found.rows:,} questions",
            hint="name the column with --column answer=COLUMN",
        )
    base, because = work.base_model(which, here)
    sizes = work.sized(found, which, here)
    asking, price, cost = _asking(found, sizes["parse"]) if KINDS[which].letters else ({}, {}, None)
    tables: dict[str, Any] = {
        "": {"name": name, "kind": which},
        "parse": {**_place(path, guess["columns"], first), **sizes["parse"]},
        **asking,
        "train": {"base_model": base, **sizes["train"]},
        "evaluate": sizes["evaluate"],
    }
    facts = {
        **{"kind": which, "format": formats, "rows": found.rows, "groups": found.groups, "whole": found.whole},
        **{"rejected": len(found.rejected), "columns": dict(guess["columns"]), "base_model": base, "cost": cost},
        "warnings": _warnings(found, which, guess),
    }
    return work.written(_head(path, found, facts), tables, _why(found, which, because, sizes, here) | price), facts


def _seen(path: str, columns: Mapping[str, Any], first: int | None) -> tuple[Mapping[str, Any], str, Survey]:
    """The mapping and the formats by which the rows at `path` are read, and what was seen of them."""
    from storage.sources import readers
    from storage.sources import source as sources
    from tasks.draft.recipe import survey
    from tasks.parse.suggest import suggest

    fetched = Home.beside().root / "fetched"
    guess: dict[str, Any] = {"columns": columns, "confidence": "sure"} if columns else suggest(path, first, fetched)
    files = sources.files([sources.local(path, fetched)])
    formats = readers.formats_of(files, columns=guess["columns"])
    found = survey(readers.read(files, formats, guess["columns"], first))
    if not found.rows:
        raise readers.nothing_read(path, [(one.field, one.reason) for one in found.rejected] or [("file", "no rows")])
    return guess, ", ".join(dict.fromkeys(one.name for one in formats)), found


def _place(path: str, columns: Mapping[str, Any], first: int | None) -> dict[str, Any]:
    place = path if "://" in path else os.path.relpath(Path(os.path.expanduser(path)))
    return {
        "path": place,
        **({"columns": dict(columns)} if columns else {}),
        **({"first": first} if first is not None else {}),
    }


def _asking(found: Survey, shares: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, str], float | None]:
    """[reason] with its price, the comments, and what asking would cost at most by estimate."""
    from storage.ledger import Ledger
    from tasks.draft import recipe as work
    from tasks.parse.splits import split_of
    from tasks.reason.step import ReasonSpec, estimate

    provider, model, price, currency, variable = work.teacher()
    values: dict[str, Any] = {
        "teacher": provider,
        "model": model,
        "samples": 4 if found.keyed < 5_000 else 1,
        "keep": 2,
    }
    spec = ReasonSpec(**values, prices={model: price})
    split = [replace(q, split=split_of(q.group, shares["valid"], shares["test"])) for q in found.questions]
    cost = None
    if any(q.split != "test" for q in split):
        with tempfile.TemporaryDirectory() as folder, Ledger(Home(Path(folder))) as ledger:
            cost = estimate(spec, split, ledger)["at_most"]["cost"]
    values["max_cost"] = work.limit_of(cost or 0.0)
    rates = {"in": price.sent, "out": price.out}
    there = "which is set" if os.environ.get(variable) else f"export {variable}=… first"
    why = {
        "reason.teacher": f'explains the answers; its key is {variable}, {there}. Or "openai" with base_url, or "vllm"',
        "reason.samples": "rationales asked for a question, and kept of it at most",
        "reason.max_cost": f"{currency}, where {cost or 0:.2g} are likely; a run stops there and can go on later",
        f'reason.prices."{model}".in': f"{currency} for a million tokens by the list of 2025, a guess: put yours",
    }
    if provider == "openai" and os.environ.get("OPENAI_BASE_URL"):
        why["reason.model"] = "OPENAI_BASE_URL is set: put the name of one of its models here, and its price"
    return {"reason": values, f'reason.prices."{model}"': rates}, why, cost


def _why(found: Survey, kind: Kind, base: str, sizes: Mapping[str, Any], here: Machine) -> dict[str, str]:
    """The comments of the recipe's values but those of [reason]."""
    from tasks.draft.recipe import described

    longest = found.tokens[-1] if found.tokens else 0
    return {
        "name": "the adapter's name",
        "kind": _KINDS[kind],
        "parse.valid": "share of problems to watch training with",
        "parse.test": f"share to evaluate on, some {round(found.rows * sizes['parse']['test']):,} rows",
        "train.base_model": base,
        "train.method": f"what fits on {described(here)}",
        "train.batch_size": "rows a device takes at once, and how many batches make a step",
        "train.max_length": f"tokens; the longest row has some {longest:,}",
        "evaluate.votes": "replies to each test question; the majority answers",
        "evaluate.max_tokens": "longest reply",
    }


_KINDS: Mapping[Kind, str] = {
    "choice": "multiple choice: a teacher explains the answers, votes are counted",
    "sql": "questions to SQL; no teacher is asked",
    "proof": "theorems to Lean statements; no teacher is asked",
    "assignment": "answers that assign values to names; no teacher is asked",
    "chat": "conversations; learns their answers, no teacher is asked",
    "instruction": 'replies are compared with the file\'s answers; "chat" where no answer is the one right one',
}


def _head(path: str, found: Survey, facts: Mapping[str, Any]) -> list[str]:
    """What the recipe's first lines say."""
    many = f"{found.rows:,} rows" if found.whole else f"the first {found.rows:,} rows"
    lost = f", {facts['rejected']:,} rejected" if facts["rejected"] else ""
    said = " ".join(path.split())
    return [
        f"Written by `ponens init` from {said}: {many} in {found.groups:,} groups, read as {facts['format']}{lost}.",
        "A start: every value may be changed; docs/ and `ponens plan` say what it means.",
        *(f"! {warning}" for warning in facts["warnings"]),
    ]


def _warnings(found: Survey, kind: Kind, guess: Mapping[str, Any]) -> list[str]:
    warnings = []
    if guess["columns"] and guess["confidence"] != "sure":
        warnings.append(f"the columns are {guess['confidence']}: see `ponens parse --suggest`")
    if found.groups == 1:
        warnings.append("all rows are of one group (a database, a passage, a problem), so no split can be made")
    elif found.groups < 40:
        warnings.append(f"{found.groups} groups are few: the verdict will tell large differences alone")
    if found.rejected:
        first = found.rejected[0]
        warnings.append(
            f"{len(found.rejected):,} rows are rejected, such as {first.file}:{first.line} {first.field}: "
            f"{' '.join(first.reason.split())}"
        )
    if "preference" in found.purposes:
        warnings.append(
            "of each preference the better answer is learnt; [tune], as in recipes/dpo.toml, learns from both"
        )
    if KINDS[kind].letters and found.keyed < found.rows:
        warnings.append(f"{found.rows - found.keyed:,} questions have no key: they teach and measure nothing")
    return warnings


def _named(path: str, name: str | None) -> str:
    """The recipe's name, from the path's last part where none is given."""
    if name is not None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
            raise UsageError("--name", seen=name, expected="lower-case letters, digits, '.', '_' or '-', at most 64")
        return name
    last = (
        re.split(r"[/\\]", path.rstrip("/\\"))[-1] if "://" in path else Path(os.path.expanduser(path)).resolve().name
    )
    plain = re.sub(r"[^a-z0-9_-]+", "-", last.partition(".")[0].lower()).strip("-_")[:64]
    return plain or "mine"


def _next(file: Path, kind: Kind) -> list[str]:
    recipe = quote(str(file))
    look = f"ponens reason {recipe} --estimate" if KINDS[kind].letters else f"ponens train {recipe} --preview 2"
    return [f"ponens plan {recipe}", look, f"ponens run {recipe}"]


def _tell(file: Path, facts: Mapping[str, Any], steps: Sequence[str]) -> None:
    lost = f", {facts['rejected']:,} rejected" if facts["rejected"] else ""
    stdout.print(
        f"{file}: kind {facts['kind']}, {facts['rows']:,} rows read as {facts['format']}{lost}; "
        f"base {facts['base_model']}",
        soft_wrap=True,
    )
    for warning in facts["warnings"]:
        stderr.print(f"  [yellow]![/] {escape(warning)}", soft_wrap=True)
    stdout.print("next:")
    for step in steps:
        stdout.print(f"  {escape(step)}", soft_wrap=True)
