"""What is odd about a source without being wrong: warnings as values, counted, with examples.

    oddities = Oddities(competition.number)
    for item in readers.read(files): oddities.see(item)
    oddities.warnings()   [{"kind": "identical-options", "count": 4, "message": "…", "examples": ["p_0: B = D, key D"]}]

A warning never drops a row; whoever reads it decides. Some are seen here, others a reader has noted.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import groupby
from typing import Any

import polars as pl

from storage.dialogues import Dialogue, Record, Text
from storage.records import LETTERS, Question, Rejected
from storage.sources.formats.choice_names import EXPLANATIONS
from storage.sources.formats.unread import NOTE, words_of

EXAMPLES = 10
SAID = 3  # of them, in a message
_FEW = 30  # below this many keys a skew is chance
_SHORT = 2  # characters of an answer
_LETTER = re.compile(r"[A-Z]")
_BATCH = 10_000
_SEEN: dict[str, Any] = {  # what a record is known again by; `id` is of questions only
    **dict.fromkeys(("id", "group", "place"), pl.Int64),  # hashes
    "source_id": pl.String,
    "file": pl.Categorical,
    "line": pl.Int64,
    "key": pl.Categorical,
}
_NAME = pl.coalesce("source_id", pl.col("file").cast(pl.String) + ":" + pl.col("line").cast(pl.String))

KINDS = {
    "identical-options": "questions have the same text at two letters",
    "letter-options": "options are a single letter as content: the letter in a reply can be misread",
    "empty-options": "options are empty",
    "repeated-question": "questions occur again with the same problem and options; they count once from here on",
    "contradicting-keys": "questions occur again with another key; the first key counts",
    "repeated-text": "problems ask the same question text twice",
    "shared-problem": "problem texts stand on several lines: their questions stay on one side of the split",
    "numbering": "problems number their questions otherwise than 1, 2, 3: a number is no index",
    "no-key": "questions have no answer: they can be neither learnt from nor marked",
    "answer-skew": "keys are one and the same letter, far more than chance",
    "stray-label": "questions have an option whose letter is not in front: it takes the letter left over",
    "exam-number": "problems begin with a number of the exam they are from",
    "empty-premise": "problems have a blank premise: it is left out",
    "unequal-premises": "problems have more or fewer premises in words than in logic",
    "repeated-row": "rows occur again word for word",
    "several-answers": "prompts have more than one answer: they stay on one side of the split",
    "repeated-query": "queries of a database occur again for another wording",
    "repeated-id": "rows have an id that another row has: it names neither",
    "stray-spaces": "rows have texts with white space around them",
    "short-answer": f"answers have at most {_SHORT} characters",
    "echoed-label": "inputs begin with the name of their field, such as '输入：'",
    "no-proof": "statements have no proof",
    "inexact-sql": "queries leave names unquoted: no database runs them, compare them as text",
    "unpaired-preference": "rows are judged good, as unpaired preference has it: their answers are learnt as examples",
    "rated-answer": "rows rate their answer in numbers, which are not read: leave bad answers out before",
    "number-label": "labels are numbers, and the file does not say what they stand for: the numbers are learnt",
    "kept-reasoning": "answers stand after their reasoning, which is kept between <think> tags",
    "joined-rationale": "answers stand below their rationale: both are learnt",
    "first-of-answers": "rows name several answers: the first is learnt",
    "tools-in-system": "rows bring tools: they stand in the system turn",
    "tool-calls": "answers call tools: the calls are learnt as <tool_call> blocks",
    "weighted-turn": "turns have a weight other than 0 and 1: they are learnt from like any other",
    "blank-turn": "dialogues have a blank turn: it is left out",
    "answer-first": "dialogues begin before the first turn of a user: these turns are left out",
    "joined-turns": "dialogues have several turns of one role in a row: they become one",
    "no-last-answer": "dialogues do not end in an answer: what stands after the last one is left out",
}


class Oddities:
    """Counts oddities over a stream; memory grows by some 60 bytes a question, a few hundred another record."""

    def __init__(self, number: Callable[[Question], int | None] = lambda question: None) -> None:
        self._number = number  # a format's own numbering of a question, None if it has none
        self._count: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = defaultdict(list)
        self._records = pl.DataFrame(schema=_SEEN)
        self._latest: list[tuple[Any, ...]] = []  # of them, not in the frame yet
        self._seen: set[int] = set()
        self._answers: dict[int, int | None] = {}  # hash of a prompt -> hash of its answer, None once told
        self._queries: set[int] = set()
        self._asked: list[Question] = []
        self._broken = False  # of the present line: a reject makes its numbering unknowable
        self._here = ("", 0)
        self._rows = 0
        self._unread: Counter[str] = Counter()  # rows by the column that nobody read
        self._reasons: Counter[str] = Counter()  # the same, of columns with the reasons of a choice
        self._letters: Counter[str] = Counter()
        self._fair: dict[str, float] = defaultdict(float)

    def see(self, item: Record | Rejected) -> None:
        """Take the next item, in the order of the source."""
        if (item.file, item.line) != self._here:
            self._rows += 1
            self._turn()
            self._here = (item.file, item.line)
        if isinstance(item, Rejected):
            self._broken = True
            return
        self._remember(item)
        for kind in item.notes:
            if kind.startswith(NOTE):
                name = kind.removeprefix(NOTE)
                reasons = isinstance(item, Question) and name.lower().replace(" ", "_") in EXPLANATIONS
                (self._reasons if reasons else self._unread)[name] += 1
            else:
                self._note(kind, _name(item))
        self._any(item)
        if isinstance(item, Question):
            self._question(item)
        else:
            self._row(item)

    @property
    def groups(self) -> int:
        """How many different problems, prompts or topics there were."""
        return self._all()["group"].n_unique()

    def warnings(self) -> list[dict[str, Any]]:
        """One dict for each kind that occurred: kind, count, message, up to ten examples."""
        self._turn()
        self._skew()
        self._repeats()
        unread = [self._passed_over()] if self._unread else []
        unread += [self._unlearnt()] if self._reasons else []
        return unread + [self._warning(kind) for kind in KINDS if self._count[kind]]

    def _passed_over(self) -> dict[str, Any]:
        """One warning for all columns with text that no reader reads."""
        columns = [f"{name} ({count:,} of {self._rows:,} rows)" for name, count in self._unread.most_common()]
        message = f"unread: {', '.join(columns)}"
        return {"kind": "unread", "count": max(self._unread.values()), "message": message, "examples": columns}

    def _unlearnt(self) -> dict[str, Any]:
        """One warning for the reasons that a set itself gives for its choices."""
        columns = [f"{name} ({count:,} of {self._rows:,} rows)" for name, count in self._reasons.most_common()]
        message = (
            f"reasons of the set's own are not learnt: {', '.join(columns)}: rationales are a teacher's ([reason]); "
            f"to learn these words, map the columns of question and options as prompt, "
            f"and completion={next(iter(self._reasons))}"
        )
        return {"kind": "unread-reasons", "count": max(self._reasons.values()), "message": message, "examples": columns}

    def _warning(self, kind: str) -> dict[str, Any]:
        count, examples = self._count[kind], self._examples[kind]
        said = f"{count:,} {KINDS[kind]}: {'; '.join(examples[:SAID])}"
        message = said + ("; …" if count > SAID and kind != "answer-skew" else "")
        return {"kind": kind, "count": count, "message": message, "examples": examples}

    def _any(self, item: Record) -> None:
        if "stray-spaces" not in item.notes and any(text != text.strip() for text in _texts(item)):
            self._note("stray-spaces", _name(item))

    def _row(self, item: Record) -> None:
        identity = hash(item.id)
        if identity in self._seen:
            self._note("repeated-row", _name(item))
            return
        self._seen.add(identity)
        if not isinstance(item, Dialogue):
            return
        answer = item.messages[-1].content
        if item.task in ("instruction", "chat") and len(answer.strip()) <= _SHORT:
            self._note("short-answer", f"{_name(item)}: {answer.strip()}")
        if item.task == "sql":
            query = hash((item.group, answer))
            if query in self._queries:
                self._note("repeated-query", _name(item))
            self._queries.add(query)
        prompt = hash(tuple((m.role, m.content) for m in item.messages[:-1]))
        if self._answers.setdefault(prompt, identity) not in (None, identity):
            self._answers[prompt] = None
            self._note("several-answers", _name(item))

    def _question(self, question: Question) -> None:
        self._asked.append(question)
        self._options(question)
        if question.answer is None:
            self._note("no-key", _name(question))
        else:
            self._letters[question.answer] += 1
            for letter in question.letters:
                self._fair[letter] += 1 / len(question.letters)

    def _options(self, question: Question) -> None:
        same: dict[str, str] = defaultdict(str)
        for letter, option in zip(question.letters, question.options, strict=True):
            same[option.strip()] += letter
            if _LETTER.fullmatch(option):
                self._note("letter-options", f"{_name(question)}: {letter}) {option}")
            if not option.strip():
                self._note("empty-options", f"{_name(question)}: {letter}")
        twins = [letters for letters in same.values() if len(letters) > 1]
        if twins:
            said = f"{_name(question)}: {', '.join(' = '.join(letters) for letters in twins)}"
            keyed = any(question.answer in letters for letters in twins) if question.answer else False
            key = f", key {question.answer}" + ("" if keyed else ", not one of them") if question.answer else ", no key"
            self._note("identical-options", said + key)

    def _remember(self, item: Record) -> None:
        identity, key = (hash(item.id), item.answer) if isinstance(item, Question) else (None, None)
        place = (item.source_id or None, item.file, item.line)
        self._latest.append((identity, hash(item.group), hash(self._here), *place, key))
        if len(self._latest) == _BATCH:
            self._all()

    def _all(self) -> pl.DataFrame:
        self._records.vstack(pl.DataFrame(self._latest, _SEEN, orient="row"), in_place=True)
        self._latest = []
        return self._records

    def _repeats(self) -> None:
        """Look back on the whole source."""
        records = self._all()
        elsewhere = pl.col("place") != pl.col("place").first()
        named = _several(records, "source_id").filter(elsewhere.over("source_id"))
        self._told("repeated-id", named, "{source_id} at {file}:{line}")
        asked = _several(records, "id").with_columns(before=pl.col("key").drop_nulls().first().over("id"))
        self._told("repeated-question", asked.filter(~pl.col("id").is_first_distinct()), "{name}")
        others = asked.filter(pl.col("key") != pl.col("before"))
        self._told("contradicting-keys", others, "{name}: {before}, then {key}")
        problems = _several(records.filter(pl.col("id").is_not_null()), "group")
        problems = problems.with_columns(first=pl.col("name").first().over("group")).filter(elsewhere.over("group"))
        names = pl.col("name").rle().struct.field("value").head(EXAMPLES)
        shared = problems.group_by("group", maintain_order=True).agg(pl.first("first"), names)
        self._count["shared-problem"] = len(shared)
        self._examples["shared-problem"] = [_listed([first, *more]) for _, first, more in shared.head(EXAMPLES).rows()]

    def _told(self, kind: str, found: pl.DataFrame, example: str) -> None:
        self._count[kind] = len(found)
        self._examples[kind] = [example.format(**row) for row in found.head(EXAMPLES).iter_rows(named=True)]

    def _turn(self) -> None:
        """Look back on a whole line of the source."""
        if self._asked:
            texts = Counter(re.sub(r"^\D{0,4}\d+\s*[:：]", "", q.question).strip() for q in self._asked)
            if max(texts.values()) > 1:
                self._note("repeated-text", _name(self._asked[0]))
            numbers = [self._number(q) for q in self._asked]
            if not self._broken and None not in numbers and numbers != list(range(1, len(numbers) + 1)):
                self._note("numbering", f"{_name(self._asked[0])}: {', '.join(map(str, numbers))}")
        self._asked, self._broken = [], False

    def _skew(self) -> None:
        total = sum(self._letters.values())
        if total < _FEW:
            return
        letter, count = max(self._letters.items(), key=lambda item: item[1] - self._fair[item[0]])
        share, fair = count / total, self._fair[letter] / total
        if share - fair > max(0.05, 3 * (fair * (1 - fair) / total) ** 0.5):
            spread = ", ".join(f"{name} {self._letters[name]}" for name in LETTERS if self._letters[name])
            self._count["answer-skew"] = count
            self._examples["answer-skew"] = [f'always "{letter}" would be right {share:.1%}, chance {fair:.1%}', spread]

    def _note(self, kind: str, example: str) -> None:
        self._count[kind] += 1
        if len(self._examples[kind]) < EXAMPLES:
            self._examples[kind].append(example)


def _several(records: pl.DataFrame, column: str) -> pl.DataFrame:
    """The records whose value of `column` others have as well."""
    return records.filter(pl.col(column).is_not_null() & pl.col(column).is_duplicated()).with_columns(name=_NAME)


def _listed(names: list[str]) -> str:
    return ", ".join([name for name, _ in groupby(names)][:EXAMPLES])


def _name(item: Record) -> str:
    return item.source_id or f"{item.file}:{item.line}"


def _texts(item: Record) -> tuple[str, ...]:
    return () if isinstance(item, Text) else words_of(item)  # a text is as it is
