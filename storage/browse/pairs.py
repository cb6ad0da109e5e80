"""Two subjects side by side on the questions that both were asked: what changed, how it was read, every reply.

    pairs = Pairs(duck)
    pair = pairs.of(a, b)                                   counted once, then remembered: evaluations never change
    pairs.page(pair, Filter(change="broken", text="lamp"))  the questions of a page
    pairs.page(pair, Filter(id="0d2dd0a01c073aa3"))         one question, with all replies

Subjects of one evaluation or of two; of two, only what was asked of both is compared, and the rest is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from storage.browse.evaluations import Subject
from storage.browse.tables import Duck, Row, parquet, pattern
from storage.records import FORCED, PonensError, UsageError

CHANGES = ("fixed", "broken", "both right", "both wrong", "not judged")
SIZE = 50  # questions of a page
_REMEMBERED = 6  # pairs
_PARTS = 60  # families and extractors that a menu offers
_UNREAD = "('invalid', 'refused', 'timeout', 'memory', 'truncated', 'error')"  # outcomes of replies that say nothing
_SILENT = "('gold-invalid', 'undecided')"  # outcomes that say nothing of a reply

_LETTERS = """
select b.question, b.gold, b.winner as answer, b.votes, coalesce(b.winner = b.gold, false) as "right", true as judged,
  r.extractors, coalesce(r.unread, b.winner is null) as unread
from {ballots} b left join (
  select question, list(distinct extractor order by extractor) as extractors, bool_or(answer is null) as unread
  from {replies} where subject = ${x} and "index" > {forced} group by question
) r using (question) where b.subject = ${x}
"""
_SCORES = """
select question, 'right' as gold, arg_max(outcome, wins) as answer, null::varchar[] as votes,
  bool_or(wins and outcome = 'right') as "right", not bool_or(wins and outcome in {silent}) as judged,
  list(distinct outcome order by outcome) as extractors, bool_or(outcome in {unread}) as unread
from {replies} where subject = ${x} group by question
"""
_CHOICE_ASKED = "select id, source_id, problem, question as asked from {asked}"
_DIALOGUES_ASKED = "select id, source_id, topic as problem, messages[-2].content as asked from {asked}"
_UNKNOWN_ASKED = "select null::varchar as id, null::varchar as source_id, '' as problem, '' as asked where false"
_PAIR = """
create or replace table "{name}" as
with a as ({a}), b as ({b}), asked as ({asked})
select a.question as id, coalesce(q.source_id, '') as source_id,
  coalesce(nullif(regexp_extract(coalesce(q.source_id, ''), '^[A-Za-z][A-Za-z_]*'), ''), 'other') as family,
  coalesce(q.problem, '') as problem, coalesce(q.asked, '') as asked, a.gold, b.gold as gold_b,
  a.answer as answer_a, b.answer as answer_b, a.votes as votes_a, b.votes as votes_b,
  a."right" as right_a, b."right" as right_b,
  case when not (a.judged and b.judged) then 'not judged' when a."right" and b."right" then 'both right'
    when a."right" then 'broken' when b."right" then 'fixed' else 'both wrong' end as change,
  a.unread or b.unread as unread,
  list_sort(list_distinct(coalesce(a.extractors, []) || coalesce(b.extractors, []))) as extractors
from a join b using (question) left join asked q on q.id = a.question
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which questions: empty means any. `text` is looked for in questions and replies, word by word."""

    change: str = ""
    unread: bool = False
    extractor: str = ""
    family: str = ""
    text: str = ""
    id: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """Two subjects compared: in how many questions, by change, family and extractor.

    `alone` counts what only one of them was asked, `rekeyed` the questions with another key in the other evaluation.
    """

    table: str
    a: Subject
    b: Subject
    questions: int
    changes: Mapping[str, int]
    unread: int
    families: Mapping[str, int]
    extractors: Mapping[str, int]
    alone: tuple[int, int]
    rekeyed: int


@dataclass(frozen=True, slots=True)
class Shown:
    """The questions of a page.

    One that was asked for by its id has `replies`: two lists of {index, text, finish, answer, extractor, reason, wins}.
    """

    rows: Sequence[Row]
    matching: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.matching // SIZE))


class Pairs:
    """The pairs that were looked at last."""

    def __init__(self, duck: Duck) -> None:
        self._duck = duck
        self._known: dict[tuple[str, str], Pair] = {}
        self._numbers = count()
        self._lock = threading.Lock()

    def of(self, a: Subject, b: Subject) -> Pair:
        """Two subjects compared. UsageError if they did other kinds of work, PonensError if an artifact is gone."""
        name = (f"{a} {a.evaluation.receipt.made_at}", f"{b} {b.evaluation.receipt.made_at}")
        with self._lock:
            if name not in self._known:
                while len(self._known) >= _REMEMBERED:
                    oldest = self._known.pop(next(iter(self._known)))
                    self._duck.rows(f'drop table if exists "{oldest.table}"')
                self._known[name] = self._made(a, b)
            else:  # the newest last
                self._known[name] = self._known.pop(name)
            return self._known[name]

    def page(self, pair: Pair, wanted: Filter) -> Shown:
        """The questions of a page, in the order of their ids; one asked for by its id with all replies of both."""
        where, values = _where(pair, wanted)
        [found] = self._duck.rows(f'select count(*) as n from "{pair.table}" p where {where}', values)
        number = min(max(1, wanted.page), max(1, -(-found["n"] // SIZE)))
        rows = self._duck.rows(
            f'select * from "{pair.table}" p where {where} order by id limit {SIZE} offset {(number - 1) * SIZE}',
            values,
        )
        if not wanted.id:
            return Shown(rows, found["n"], number)
        ids = [row["id"] for row in rows]
        full = self._asked(pair, ids)
        sides = [self._replies(subject, ids) for subject in (pair.a, pair.b)]
        return Shown(
            [
                {**row, **full.get(row["id"], {}), "replies": [side.get(row["id"], []) for side in sides]}
                for row in rows
            ],
            found["n"],
            number,
        )

    def _made(self, a: Subject, b: Subject) -> Pair:
        if a.evaluation.kind != b.evaluation.kind:
            raise UsageError(
                "these two did other kinds of work", seen=f"{a.evaluation.kind} and {b.evaluation.kind}",
                expected="subjects of one kind",
            )  # fmt: skip
        sources, name = [(_source(a, "a")), _source(b, "b")], f"pair {next(self._numbers)}"
        values = {"a": a.name, "b": b.name}
        self._duck.rows(_PAIR.format(name=name, a=sources[0], b=sources[1], asked=_asked_of(a)), values)
        [told] = self._duck.rows(
            f"""select count(*) as n, count(*) filter (unread) as unread,
                count(*) filter (gold is distinct from gold_b) as rekeyed from "{name}" """
        )
        asked = [self._questions(subject) for subject in (a, b)]
        return Pair(
            name, a, b, told["n"], self._counts(name, "change"), told["unread"], self._counts(name, "family"),
            self._counts(name, "unnest(extractors)"), (asked[0] - told["n"], asked[1] - told["n"]), told["rekeyed"],
        )  # fmt: skip

    def _questions(self, subject: Subject) -> int:
        """How many questions a subject was asked."""
        file = subject.evaluation.ballots or subject.evaluation.table
        assert file is not None
        [row] = self._duck.rows(
            f"select count(distinct question) as n from {parquet(file)} where subject = $name", {"name": subject.name}
        )
        return int(row["n"])

    def _counts(self, table: str, what: str) -> dict[str, int]:
        rows = self._duck.rows(
            f'select part, count(*) as n from (select {what} as part from "{table}") group by 1 order by 2 desc, 1 '
            f"limit {_PARTS}"
        )
        return {str(row["part"]): row["n"] for row in rows}

    def _asked(self, pair: Pair, ids: Sequence[str]) -> dict[str, Row]:
        """All that is known of some questions, by id."""
        if (file := pair.a.evaluation.asked) is None or not ids:
            return {}
        fields = "id, options, language" if pair.a.evaluation.letters else "id, messages, language"
        return {row["id"]: row for row in self._duck.rows(
            f"select {fields} from {parquet(file)} where id in (select unnest($ids))", {"ids": list(ids)})}  # fmt: skip

    def _replies(self, subject: Subject, ids: Sequence[str]) -> dict[str, list[Row]]:
        evaluation = subject.evaluation
        if evaluation.table is None or not ids:
            return {}
        fields = "answer, extractor, '' as reason, false as wins" if evaluation.letters else (
            "outcome as answer, '' as extractor, reason, wins")  # fmt: skip
        found: dict[str, list[Row]] = {}
        for row in self._duck.rows(
            f'select question, "index", text, finish, {fields} from {parquet(evaluation.table)} '
            'where subject = $subject and question in (select unnest($ids)) order by question, "index"',
            {"subject": subject.name, "ids": list(ids)},
        ):
            found.setdefault(row["question"], []).append(row)
        return found


def _source(subject: Subject, x: str) -> str:
    evaluation = subject.evaluation
    if evaluation.table is None or (evaluation.letters and evaluation.ballots is None):
        raise PonensError(
            f"the replies of evaluation {evaluation.id} are gone",
            seen=evaluation.receipt.artifact,
            hint="run its recipe again: nothing that was sampled is sampled twice",
        )
    if not evaluation.letters:
        return _SCORES.format(replies=parquet(evaluation.table), x=x, silent=_SILENT, unread=_UNREAD)
    assert evaluation.ballots is not None
    return _LETTERS.format(ballots=parquet(evaluation.ballots), replies=parquet(evaluation.table), x=x, forced=FORCED)


def _asked_of(subject: Subject) -> str:
    file = subject.evaluation.asked
    if file is None:
        return _UNKNOWN_ASKED
    return (_CHOICE_ASKED if subject.evaluation.letters else _DIALOGUES_ASKED).format(asked=parquet(file))


def _where(pair: Pair, wanted: Filter) -> tuple[str, dict[str, Any]]:
    """The condition on rows `p` of the pair's table, and its values."""
    where, values = ["true"], dict[str, Any]()
    for column in ("change", "family", "id"):
        if value := getattr(wanted, column):
            where.append(f"p.{column} = ${column}")
            values[column] = value
    if wanted.unread:
        where.append("p.unread")
    if wanted.extractor:
        where.append("list_contains(p.extractors, $extractor)")
        values["extractor"] = wanted.extractor
    for n, word in enumerate(wanted.text.split()):
        inside = " or ".join(
            f"p.id in (select question from {parquet(s.evaluation.table)} where subject = ${x} "
            f"and regexp_matches(text, $word{n}))"
            for x, s in (("a", pair.a), ("b", pair.b)) if s.evaluation.table
        )  # fmt: skip
        own = f"regexp_matches(concat_ws(' ', p.id, p.source_id, p.problem, p.asked), $word{n})"
        where.append(f"({own}{f' or {inside}' if inside else ''})")
        values |= {f"word{n}": pattern(word), "a": pair.a.name, "b": pair.b.name}
    return " and ".join(where), values
