"""`ponens suspects RECIPE`: keys that the teacher contradicts, and what a person says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.recipe import Recipe, load
from flows.show import stdout
from storage import corrections, runs
from storage.corrections import Correction
from storage.home import Home
from storage.records import LETTERS, Question, Receipt, UsageError
from storage.tables import doubted_keys, questions

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


class Doubts:
    """The suspects of a recipe's newest asking, and the file of what is said of them. UsageError for other kinds."""

    def __init__(self, recipe: Recipe, home: Home) -> None:
        if recipe.kind != "choice":
            raise UsageError(
                f"a recipe of kind {recipe.kind!r} has no keys in doubt",
                expected='kind = "choice": its answers are letters, and a teacher is asked for them',
            )
        self.recipe, self.home = recipe, home
        self.file = Path(str(recipe.parse.corrections))
        self._runs = [run for run in runs.runs(home) if run.outcome.get("recipe") == recipe.name]

    def words(self) -> dict[str, Correction]:
        """The last word on each question of this recipe that has one, by id."""
        found = corrections.of_recipe(self.file, self.recipe.name)
        return dict(found.words) if found else {}

    def listed(self) -> list[dict[str, Any]]:
        """The suspects of which nobody has said anything, the strongest first."""
        if (receipt := self._newest("reason")) is None:
            raise UsageError(
                f"no teacher of recipe {self.recipe.name!r} was asked in {self.home.root}",
                expected="a run of the recipe up to `reason`",
                hint="ponens reason RECIPE",
            )
        words = self.words()
        return [row for row in doubted_keys.load(self.home.root / receipt.artifact) if row["question"] not in words]

    def say(self, id: str, says: str, why: str) -> Correction:
        """Say a word of the question that the beginning of an id names. UsageError for one that cannot be said."""
        question, says = self._question(id), corrections.spelled(says)
        if says not in corrections.WORDS and says not in question.letters:
            raise UsageError(
                f"question {question.id} has no option {says}",
                seen=", ".join(f"{a}) {text}" for a, text in zip(question.letters, question.options, strict=True)),
                expected=f"one of {', '.join(question.letters)}, {corrections.AMBIGUOUS} or {corrections.FINE}",
            )
        return corrections.say(self.file, question.id, says, why, self.recipe.name)

    def undo(self, id: str, why: str) -> Correction:
        """Take back what was said of a question. UsageError if nothing was."""
        found = [known for known in self.words() if known.startswith(id)]
        if len(found) != 1:
            raise UsageError(
                f"nothing was said of question {id!r}" if not found else f"{id!r} begins several ids",
                expected=f"the beginning of one of {', '.join(self.words()) or 'none yet'}",
            )
        return corrections.say(self.file, found[0], corrections.UNDONE, why, self.recipe.name)

    def _question(self, id: str) -> Question:
        receipts = [found for run in reversed(self._runs) if (found := run.receipt("parse"))]
        there = [receipt for receipt in receipts if (self.home.root / receipt.artifact / questions.QUESTIONS).exists()]
        found: Mapping[str, Question] = {}
        for receipt in there:  # what an earlier word left out is in the parse before it
            found = questions.beginning(self.home.root / receipt.artifact, id)
            if found:
                break
        if len(found) != 1:
            raise UsageError(
                f"{len(found) or 'no'} questions of recipe {self.recipe.name!r} have this id",
                seen=repr(id),
                expected="the beginning of one id, as `ponens suspects RECIPE` lists them"
                if there
                else "a recipe that was run up to `parse` at least: ponens run RECIPE --until parse",
            )
        return next(iter(found.values()))

    def _newest(self, step: str) -> Receipt | None:
        found = [receipt for run in self._runs if (receipt := run.receipt(step))]
        return next((one for one in reversed(found) if (self.home.root / one.artifact).is_dir()), None)


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
