"""One self-contained page that answers a reader's questions about a run, and its core as Markdown.

    Facts ──page──▶ HTML (no network, no other file)      Facts ──markdown──▶ a Prefect artifact

The story stands in the HTML itself. Every question with its samples travels as compressed JSON, which
`report.js` renders row by row; the policy in the page's head lets no other script run and nothing load.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from evals import plots, rationales
from evals.facts import CourseKey, Facts, Measure, QuestionFacts, ReplyFacts, SliceFacts
from storage.records import language_of

if TYPE_CHECKING:
    from jinja2 import Environment

TOY = "This is a toy model which proves the pipeline."
TOY_SETTING = "train.base_model"
CHANGES = ("broken", "fixed", "both wrong", "both right")
MEASURES: tuple[tuple[str, Measure], ...] = (
    ("single sample", "single_accuracy"),
    ("greedy reply", "greedy_accuracy"),
    ("letter forced", "forced_accuracy"),
    ("unreadable answers", "unreadable"),
)
_EXAMPLES = {"broken": 10, "fixed": 10, "both wrong": 4}
# What is left out until the table is small enough; both right is what people read least.
_WITHOUT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ()),
    ("sampled replies of questions that both sides got right", ("both right",)),
    ("sampled replies", CHANGES),
)
_COURSES: tuple[tuple[CourseKey, str], ...] = (
    ("loss", "Loss on the tokens that are learnt"),
    ("learning_rate", "Learning rate"),
    ("tokens_per_second", "Trained tokens a second"),
    ("memory", "Most memory so far, GiB"),
)
_LISTED = 60
_LONGEST_TEXT = 4_000
_LARGEST_TABLE = 4_000_000  # bytes of embedded, compressed questions


def page(facts: Facts) -> str:
    """The report as one HTML document."""
    evaluation, questions = facts["evaluation"], facts["questions"]
    table, left_out = _table(questions)
    script = environment().get_template("report.js").render()
    by_change = {change: [q for q in questions if q["change"] == change] for change in CHANGES}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            evaluation=evaluation,
            paired=evaluation["paired"],
            toy_text=TOY,
            toy_setting=TOY_SETTING,
            by_change=by_change,
            listed=_LISTED,
            examples=[q for change, most in _EXAMPLES.items() for q in islice(by_change[change], most)],
            plots={
                "accuracy": plots.accuracy(evaluation),
                "votes": plots.vote_curve(evaluation),
                "flips": plots.flips(evaluation),
                "training": _courses(facts),
                "slices": [(name, plots.slices(parts, name)) for name, parts in _slices(facts)],
            },
            table=table,
            left_out=left_out,
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def markdown(facts: Facts) -> str:
    """The word, the numbers, the stages and the way back, as Markdown."""
    evaluation = facts["evaluation"]
    base, adapter, paired = evaluation["base"], evaluation["adapter"], evaluation["paired"]
    lines = [f"# {cell(facts['adapter'])}: {paired['verdict']}", "", cell(paired["reason"]), ""]
    if facts["toy"]:
        lines += [f"> **{TOY}** `{TOY_SETTING}` in the recipe puts a real model in its place.", ""]
    lines += [
        f"{evaluation['questions']} questions in {paired['problems']} problems, {evaluation['votes']} votes each,"
        f" engine {cell(evaluation['engine'])}, temperature {evaluation['temperature']:g}.",
        "",
        "| | base | adapter |",
        "|---|---:|---:|",
        f"| **majority vote** | **{percent(base['accuracy'])}** | **{percent(adapter['accuracy'])}** |",
        f"| 95 % interval | {interval(base['ci95'])} | {interval(adapter['ci95'])} |",
        *(
            f"| {name} | {percent(base[key])} | {percent(adapter[key])} |"
            for name, key in MEASURES
            if base[key] is not None or adapter[key] is not None
        ),
        "",
        f"Difference {points(paired['difference'])} points, 95 % interval {points(paired['ci95'][0])} to"
        f" {points(paired['ci95'][1])} (clustered by problem); exact McNemar p = {paired['mcnemar_p']:.2g};"
        f" {paired['fixed']} fixed, {paired['broken']} broken.",
        "",
        "| step | status | time | digest |",
        "|---|---|---:|---|",
        *(
            f"| {cell(s['name'])} | {s['status']} | {duration(s['seconds'])} | `{s['digest'][:12]}` |"
            for s in facts["steps"]
        ),
    ]
    if facts["thrown_away"]:
        lines += ["", "| thrown away in | reason | rows |", "|---|---|---:|"]
        lines += [f"| {cell(t['where'])} | {cell(t['reason'])} | {t['count']} |" for t in facts["thrown_away"]]
    asked = facts["rationales"]
    lines += ["", f"{asked['kept']} of {asked['requests']} rationales kept. {rationales.told(asked['suspects'])}"]
    return "\n".join([*lines, "", "Get it again:", "", f"    {facts['command']}", ""])


def percent(share: float | None) -> str:
    """A share as per cent with one decimal, a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """Percentage points with their sign, none on zero."""
    shown = f"{100 * share:+.1f}"
    return "0.0" if float(shown) == 0 else shown.replace("-", "−")


def interval(ends: Iterable[float]) -> str:
    """The ends of an interval of shares, in per cent."""
    return " to ".join(f"{100 * end:.1f}" for end in ends)


def duration(seconds: float) -> str:
    """Seconds as people say them: "0.4 s", "48 s", "3 min 05 s", "2 h 07 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def moment(text: str) -> str:
    """An ISO time as "22 November 2026, 01:45 UTC"; text that is no time as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{when.day} {when:%B %Y, %H:%M} {when.tzname() or ''}".strip()


def amount(value: object) -> str:
    """A fact as text: thousands apart, lists by commas."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {amount(v)}" for k, v in value.items()) or "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(amount, value)) or "–"
    return str(value)


def cut(text: str) -> str:
    """Text at a length that a page can bear."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… [{len(text) - _LONGEST_TEXT} more]"


def cell(text: str) -> str:
    """Text that stays text inside a Markdown table."""
    for sign, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "'"), ("\n", " ")):
        text = text.replace(sign, shown)
    return text


@cache
def environment() -> Environment:
    """The templates of this room: they escape all text, and an unknown name in them is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("evals", "."),
        autoescape=lambda name: name is not None and name.endswith(".j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {f.__name__: f for f in (percent, points, interval, duration, moment, amount, cut, rationales.told)}
    made.globals |= {"language": language_of, "measures": MEASURES, "letters": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    return made


def _courses(facts: Facts) -> list[tuple[str, str]]:
    rows = facts["training"]["rows"]
    return [(label, plot) for key, label in _COURSES if (plot := plots.course(rows, key, label))]


def _slices(facts: Facts) -> list[tuple[str, list[SliceFacts]]]:
    """The slices by what they slice; one part alone says nothing and is left out."""
    by = groupby(facts["evaluation"]["slices"], key=lambda part: part["by"])
    return [(name, parts) for name, found in by if len(parts := list(found)) > 1]


def _table(questions: list[QuestionFacts]) -> tuple[str, str]:
    """The questions as gzip and base64, and what was left out to keep the page small."""
    packed = left_out = ""
    for left_out, without in _WITHOUT:  # noqa: B007  (returned below)
        rows = [_row(q, samples=q["change"] not in without) for q in questions]
        text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        # mtime 0: the same facts must give the same bytes.
        packed = base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 9, mtime=0)).decode()
        if len(packed) <= _LARGEST_TABLE:
            break
    return packed, left_out


def _row(question: QuestionFacts, *, samples: bool) -> dict[str, Any]:
    text = question["problem"] + question["question"] + "".join(question["options"])
    return {
        **question,
        "language": language_of(text),
        "base": _reply(question["base"], samples=samples),
        "adapter": _reply(question["adapter"], samples=samples),
    }


def _reply(reply: ReplyFacts, *, samples: bool) -> dict[str, Any]:
    texts = [cut(text) for text in reply["texts"]] if samples else []
    return {**reply, "greedy_text": cut(reply["greedy_text"]), "texts": texts}
