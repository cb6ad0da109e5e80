"""`ponens verdict`: a verdict on results that any tool wrote, in the terminal, as JSON, as a page, as an exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.show import stderr, stdout
from storage.records import Refused, UsageError

if TYPE_CHECKING:
    from evals.verdict import Side, Verdict
    from tasks.verdict.comparison import Comparison

_SHOWN = 20  # disagreements on a screen
_COLOURS = {"better": "green", "worse": "red", "cannot tell": "yellow"}


def verdict(
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C …]",
            help="Files or folders of results, or runs; each is compared with the first. Several files of one: F+G.",
            show_default=False,
        ),
    ],
    task: Annotated[list[str], typer.Option(metavar="NAME", help="Judge this task; all by default.")] = [],
    filter: Annotated[str | None, typer.Option(metavar="NAME", help="The filter of lm-eval to judge.")] = None,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="The metric or scorer to judge.")] = None,
    repeats: Annotated[
        Literal["majority", "mean", "first", "tool"] | None,
        typer.Option(
            help="What counts of several replies to a question; tool is its own reducer.", show_default="majority"
        ),
    ] = None,
    read: Annotated[
        bool, typer.Option("--read", help="Read the replies anew; list where that and the tool's mark disagree.")
    ] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Judge the questions that both sides have.")
    ] = False,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keys (and groups) by id, for outputs of a batch.")
    ] = None,
    id: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of ids in a table.")] = None,
    gold: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of keys.")] = None,
    answer: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of answers.")] = None,
    score: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of scores, in place of keys.")] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="What questions belong together by: a column, passage (found in prompts), none."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as a page.")] = None,
    fail_on: Annotated[
        Literal["worse", "not-better"] | None,
        typer.Option("--fail-on", help="Exit with 3 if any word is worse, or the word over all is not better."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Is B better than A, and how sure? Reads results of lm-eval, Inspect, EvalScope and others, tables, and runs."""
    from storage.evaluations.items import Choice
    from storage.home import Home
    from tasks.verdict.run import VerdictSpec, compare

    choice = Choice(filter, metric, id, gold, answer, score, keys)
    spec = VerdictSpec(subjects, choice, task, repeats, read, allow_missing, group)
    found = compare(spec, Home.beside())
    if html:
        _write(html, found)
    if json:
        show.emit(found.dict())
    else:
        _shown(found)
        if html:
            stdout.print(f"page: {escape(str(html))}", soft_wrap=True)
    if fail_on:
        _gate(found, fail_on)


def _write(path: Path, found: Comparison) -> None:
    from tasks.verdict.page_facts import page

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(found, ["ponens", *sys.argv[1:]]), "utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be written", seen=str(error), expected="a path for a page") from None


def _gate(found: Comparison, fail_on: str) -> None:
    judged = [*found.tasks, *(one for one in found.overall if one not in found.tasks)]
    if fail_on == "worse":
        failed = [one for one in judged if one.judged.word == "worse"]
    else:
        failed = [one for one in found.overall or found.tasks if one.judged.word != "better"]
    if failed:
        said = "; ".join(f"{one.other}{f' on {one.name}' if one.name else ''}: {one.judged.word}" for one in failed)
        raise Refused(
            f"--fail-on {fail_on}", seen=said, expected="no word that is worse" if fail_on == "worse" else "better"
        )


def _shown(found: Comparison) -> None:
    for one in found.overall or found.tasks:
        of = f" on {one.name}" if one.name else ""
        word = one.judged.word
        than = {"better": "better than", "worse": "worse than", "cannot tell": "not told apart from"}[word]
        stdout.print(
            f"[bold {_COLOURS[word]}]{word}[/]: {escape(one.other)} is {than} {escape(one.first)}{escape(of)}. "
            f"{escape(one.judged.reason)}",
            soft_wrap=True,
        )
    tables.put(stdout, _table(found))
    for one in found.tasks:
        matched, groups = one.facts["matched"], one.facts["groups"]
        grouped = f"{groups['n']} groups by {groups['by']}" if groups["by"] != "none" else "each a group by itself"
        stdout.print(
            f"[dim]{escape(one.name or 'all')}: {matched['questions']:,} questions matched by {matched['by']}, "
            f"{escape(grouped)}; judged by {escape(one.facts['judged_by'])}[/]",
            soft_wrap=True,
        )
    for warning in found.warnings:
        stderr.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)
    _disagreements(found)


def _table(found: Comparison) -> Table:
    """A line a comparison, within 80 columns; the first subject stands left of an arrow."""
    corrected = any(one.judged.comparisons > 1 for one in found.tasks)
    named = len({one.other for one in found.tasks}) > 1
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("task", overflow="fold", min_width=10)
    for title in ("n", "right, %", "unread", "difference, 95 %", "changed", "p, corr." if corrected else "p"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("word", no_wrap=True)
    for one in (*found.tasks, *(one for one in found.overall if one not in found.tasks)):
        v = one.judged
        table.add_row(
            escape(f"{one.name or 'all'}{f': {one.other}' if named else ''}"),
            f"{v.questions:,}",
            f"{_right(v, v.base)} → {_right(v, v.adapter)}",
            f"{_unread(v, v.base)} → {_unread(v, v.adapter)}",
            _difference(v),
            f"+{len(v.fixed):,} −{len(v.broken):,}",
            f"{v.adjusted_p:.3g}",
            f"[bold {_COLOURS[v.word]}]{v.word}[/]",
        )
    return table


def _right(v: Verdict, side: Side) -> str:
    return f"{100 * side.accuracy:.1f}" if v.test == "exact McNemar" else f"{side.accuracy:.4g}"


def _unread(v: Verdict, side: Side) -> str:
    return f"{round(side.unreadable * v.questions):,}"


def _difference(v: Verdict) -> str:
    low, high = v.ci95
    if v.test == "exact McNemar":
        return f"{100 * v.difference:+.1f} ({100 * low:+.1f}…{100 * high:+.1f})"
    return f"{v.difference:+.3g} ({low:+.3g}…{high:+.3g})"


def _disagreements(found: Comparison) -> None:
    listed = [one for compared in found.tasks for one in compared.disagreements]
    if not any(compared.facts["reading"] == "ours" for compared in found.tasks) or not listed:
        return
    stdout.print(f"{len(listed):,} replies that the tool and our extractor read otherwise:")
    for one in listed[:_SHOWN]:
        said = " ".join(one["text"].split())[-80:]
        stdout.print(
            f"  {escape(one['subject'])} {escape(one['id'])} key {escape(str(one['key']))}: tool {one['tool_score']:g} "
            f"({escape(str(one['tool_answer'] if one['tool_answer'] not in (None, '') else '–')[:20])}), "
            f"ours {escape(str(one['our_answer'] or '–'))} ({one['read_by']})  … {escape(said)}",
            no_wrap=True,
            overflow="ellipsis",
        )
    if len(listed) > _SHOWN:
        stdout.print(f"  … and {len(listed) - _SHOWN:,} more; --json lists all")
