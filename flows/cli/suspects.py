"""`ponens suspects RECIPE`: keys that the teacher contradicts, and what a person says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.show import stdout
from storage import corrections
from storage.corrections import Correction
from storage.records import LETTERS, UsageError

if TYPE_CHECKING:
    from flows.doubts import Doubts

_ASKED = 300  # characters of a question


def suspects_of(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A recipe whose teacher was asked.", show_default=False)
    ],
    say: Annotated[
        tuple[str, str],
        typer.Option(metavar="ID WORD", help="Say of a question: the right letter, ambiguous, or fine."),
    ] = ("", ""),
    undo: Annotated[str, typer.Option(metavar="ID", help="Take back what was said of a question.")] = "",
    why: Annotated[str, typer.Option(help="The reason, kept beside the word.")] = "",
    most: Annotated[int, typer.Option("--most", min=1, help="The strongest so many.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """List keys in doubt; say which are wrong, ambiguous or fine. The source stays as it is."""
    from flows.doubts import Doubts
    from flows.recipe import load
    from storage.home import Home

    if any(say) and undo:
        raise UsageError("--say and --undo", expected="one of the two at a time")
    if why and not any(say) and not undo:
        raise UsageError("--why gives no reason for anything", expected="--say ID WORD, or --undo ID, beside it")
    doubts = Doubts(load(recipe), Home.beside(recipe))
    if any(say) or undo:
        word = doubts.say(*say, why) if any(say) else doubts.undo(undo, why)
        if json:
            show.emit({"file": str(doubts.file), **_plain(word)})
        else:
            stdout.print(f"{escape(_said(word))}, kept in {escape(str(doubts.file))}", soft_wrap=True)
            stdout.print(f"it counts from the next `ponens run {escape(str(recipe))}` on", soft_wrap=True)
        return
    listed, words = doubts.listed(), list(doubts.words().values())
    if json:
        show.emit({"file": str(doubts.file), "suspects": listed, "said": [_plain(word) for word in words]})
    else:
        _print(recipe, doubts, listed, words, most)


def _print(recipe: Path, doubts: Doubts, listed: list[dict[str, Any]], words: list[Correction], most: int) -> None:
    if listed:
        table = Table("question", "key", "teacher", "votes", "where", "asked")
        for row in listed[:most]:
            votes = " ".join(vote or "–" for vote in row["votes"])
            where = f"{row['file']}:{row['line']}"
            table.add_row(*map(escape, (row["question"], row["key"], row["answer"], votes, where, _asked(row))))
        tables.put(stdout, table)
    more = f"; {len(listed) - most:,} more with --most" if len(listed) > most else ""
    stdout.print(f"{len(listed):,} keys in doubt, the strongest first{more}", soft_wrap=True)
    if words:
        table = Table("question", "said", "why", "who", "when")
        for word in words:
            table.add_row(*map(escape, (word.question, word.says, word.why or "–", word.who or "–", word.at or "–")))
        tables.put(stdout, table)
        stdout.print(f"{len(words):,} questions with a person's word, in {escape(str(doubts.file))}", soft_wrap=True)
    stdout.print(
        escape(f"ponens suspects {recipe} --say ID B|ambiguous|fine --why …; --undo ID takes it back"), soft_wrap=True
    )


def _asked(row: Mapping[str, Any]) -> str:
    options = "  ".join(f"{letter}) {text}" for letter, text in zip(LETTERS, row["options"], strict=False))
    text = " ".join(f"{row['problem']} {row['asked']}".split())
    return f"{text if len(text) <= _ASKED else text[: _ASKED - 1] + '…'}  {options}"


def _said(word: Correction) -> str:
    says = {
        corrections.AMBIGUOUS: "is ambiguous and left out",
        corrections.FINE: "is fine: its key stays, and is in doubt no more",
        corrections.UNDONE: "is as the source has it again",
    }.get(word.says, f"has the key {word.says}")
    return f"question {word.question} {says}"


def _plain(word: Correction) -> dict[str, str]:
    return {name: getattr(word, name) for name in ("question", "says", "why", "who", "at", "recipe")}
