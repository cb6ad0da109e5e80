"""What is right where there are no letters: replies to dialogues are scored by their kind of work.

    Contest(…).work ──asks──▶ replies ──a scorer, losses, a judge──▶ scores.parquet, evaluation.json

Where a kind can tell which replies are one answer, replies vote (for SQL by their results); with one vote the greedy
reply answers. A chat has no right answer: a side is right where the judge prefers it in either order or, without a
judge, where the reference is likelier under it. McNemar's test is a sign test there.
"""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import orjson

from evals.alarms import Heard, alarms
from evals.scored import GREEDY, Scored, alone, answer_of, compare_all, winner
from evals.scorers import guarded
from evals.scorers.base import Score, Scorer
from prompts.worded import Worded
from storage.artifacts import write_json
from storage.dialogues import Dialogue, Kind
from storage.records import PonensError, digest
from storage.tables import scores
from tasks.engines.open import renders
from tasks.evaluate.beside import Beside
from tasks.evaluate.crew import crew_of
from tasks.evaluate.generation import Order, Reply
from tasks.evaluate.judging import JudgeSpec
from tasks.evaluate.pairwise import Judged, likelier, preferred, unmeasured
from tasks.kinds.asks import Ask
from tasks.kinds.registry import KINDS, Prompt
from tasks.kinds.text_to_sql import SqlSpec
from tasks.runtime.own_function import Function
from tasks.runtime.step import Result, Tick, Workshop

log = logging.getLogger("ponens")
EVALUATION = "evaluation.json"
_SCRATCH = "scratch"
# what makes a reply right, and what its value is, by what scores it
MEANINGS = {
    "sql": ("gives what the reference gives", "1 if it is right"),
    "statement": ("is the reference, normalised", "BLEU with the reference"),
    "assignment": ("names everyone's role as the solution does", "share of the roles that are right"),
    "instruction": ("is the reference, normalised", "chrF with the reference"),
    "judge": ("preferred by the judge in either order", "1 preferred, 0.5 a tie, 0 not preferred"),
    "loss": ("the reference is likelier under it", "likelihood of a token of the reference"),
}
Replies = dict[str, dict[str, list[Scored]]]  # by subject and question


@dataclass(frozen=True)
class Contest:
    """Base and adapters over the test dialogues of one kind; `lean` is a command, or empty.

    `order` says who is asked and how, and lacks only its asks; its first subject is the base.
    """

    kind: Kind
    order: Order
    limit: int | None = None
    sql: SqlSpec = field(default_factory=SqlSpec)
    lean: Sequence[str] = ()
    judge: JudgeSpec | None = None
    beside: Beside = field(default_factory=Beside)
    words: Worded | None = None  # a recipe's own
    function: Function | None = None  # likewise, in place of the kind's scorer

    @property
    def prompt(self) -> Prompt:
        """How it is asked, and how a reply is read."""
        return KINDS[self.kind].worded(self.words)

    def work(self, dialogues: Sequence[Dialogue], shop: Workshop) -> Result:
        """Draw, score, compare; fills the workshop's folder. PonensError where nothing can be scored."""
        asked = {d.id: d for d in chosen(dialogues, self.limit)}
        order = self.order
        votes = 0 if KINDS[self.kind].compared or order.decoding.votes == 1 else order.decoding.votes
        asks = asks_of(asked.values(), self.prompt)
        decoding = replace(order.decoding, votes=votes, adaptive="off")
        scratch = shop.folder / _SCRATCH
        drawn = self.beside.draw(replace(order, asks=asks, decoding=decoding), scratch, shop)
        pairs, more = self._scored(asked, drawn.replies, scratch, shop)
        base, *names = self.subjects
        for pair in pairs.values():
            _must_be_scored(pair)
        if names:
            first, *others = compare_all(pairs, base).values()
        else:
            first, others = alone(pairs[base][0]), []
        scorer = more.pop("scorer")
        right, value = MEANINGS.get(scorer, (f"has a score of 1 by {scorer}", f"the score of {scorer}"))
        facts: dict[str, Any] = {
            "kind": self.kind,
            "scorer": scorer,
            "right": right,
            "value": value,
            "questions": len(asked),
            "problems": len({d.group for d in asked.values()}),
            "votes": votes or 1,
            "engine": order.engine,
            "temperature": decoding.temperature if votes else 0.0,
            "prompt": self.prompt.VERSION,
            **(self.words.settings if self.words else {}),
            **({"adapter_name": names[0]} if names else {}),
            **first,
            "others": {
                name: other["adapter"] | {"paired": other["paired"]}
                for name, other in zip(names[1:], others, strict=True)
            },
            **more,
            "warnings": [*order.notes, *alarms(_heard(pairs), decoding.max_tokens), *drawn.outcome.pop("warnings")],
            **({"models": drawn.outcome.pop("models")} if self.beside.rivals else {}),
            "work": drawn.outcome,
        }
        for warning in facts["warnings"]:
            log.warning("evaluate: %s", warning)
        _write(shop.folder, pairs)
        write_json(shop.folder / EVALUATION, facts)
        shutil.rmtree(scratch, ignore_errors=True)
        said = sorted([r.subject, r.ask, r.index, r.text, r.finish] for r in drawn.replies)
        verdicts = sorted([r.subject, r.question, r.index, r.score.outcome, r.score.value] for r in _rows(pairs))
        return Result(facts, identity=digest([said, verdicts]))

    @property
    def subjects(self) -> list[str]:
        """Who answers, the base first."""
        return [*(subject.name for subject in self.order.subjects), *self.beside.names]

    def _scored(
        self, asked: Mapping[str, Dialogue], replies: Sequence[Reply], scratch: Path, shop: Workshop
    ) -> tuple[dict[str, Judged], dict[str, Any]]:
        """By adapter the scored replies of base and adapter, and facts of what scored them.

        Without adapters, by the base's name its own replies and none.
        """
        if KINDS[self.kind].compared:
            greedy = {(r.subject, r.ask): r for r in replies if r.index == GREEDY}
            served = renders(self.order.engine)  # a server has the weights, and does not tell the loss
            losses = (
                unmeasured(self.order.subjects, asked, greedy)
                if served
                else likelier(self.order, asked, greedy, scratch, shop)
            )
            if self.judge is None:
                return losses, {"scorer": "loss"}
            judged, facts = preferred(self.judge, losses, asked, shop)
            return judged, {"scorer": "judge", "judge": facts}
        with crew_of(self.kind, self.sql, self.lean, self.function) as (name, crew):
            found = _by_scorer(asked, replies, crew, self.prompt.read, shop)
        base, *adapters = self.subjects
        about = self.sql.facts(asked.values()) if KINDS[self.kind].databases and not self.function else {}
        return {a: (found[base], found[a]) for a in adapters} or {base: (found[base], {})}, {"scorer": name, **about}


def _must_be_scored(pair: Judged) -> None:
    for side in filter(None, pair):
        if not any(winner(of).score.counts for of in side.values()):
            reasons = sorted({winner(of).score.reason for of in side.values()})
            raise PonensError(
                f"none of {len(side)} replies could be scored",
                seen="; ".join(reasons[:3]),
                expected="references that can be compared with",
                hint="see the references of the test split, or take another file",
            )


def chosen(dialogues: Sequence[Dialogue], limit: int | None) -> list[Dialogue]:
    """Test dialogues that end in an answer to learn, at most `limit` of them, whatever their order in the source."""
    test = sorted((d for d in dialogues if d.split == "test" and d.messages[-1].train), key=lambda d: d.id)
    if not test:
        raise PonensError(
            "there is nothing to evaluate on",
            seen=f"{len(dialogues)} dialogues, none of them in the test split with an answer to learn",
            expected="at least one",
            hint="raise [parse] test, or give a file with more groups",
        )
    return test[:limit]


def asks_of(dialogues: Iterable[Dialogue], prompt: Prompt) -> list[Ask]:
    """What every subject is asked of each dialogue."""
    return [Ask(dialogue.id, tuple(prompt.ask(dialogue))) for dialogue in dialogues]


def of_references(
    dialogues: Sequence[Dialogue], kind: Kind, sql: SqlSpec, lean: Sequence[str], function: Function | None = None
) -> list[Score]:
    """What the scorer of a kind, or a user's, says of each dialogue's own reference, given as the reply."""
    with crew_of(kind, sql, lean, function) as (_, crew):
        texts = [dialogue.messages[-1].content for dialogue in dialogues]
        pairs = zip(dialogues, texts, strict=True)
        return [guarded.scored([text], gold, crew[0], KINDS[kind].asking.read)[text].score for gold, text in pairs]


def _by_scorer(
    asked: Mapping[str, Dialogue], replies: Sequence[Reply], crew: Sequence[Scorer], read: guarded.Read, shop: Workshop
) -> Replies:
    """Every reply's score, the same text to the same question scored once."""
    by_question: dict[str, list[Reply]] = defaultdict(list)
    for reply in replies:
        by_question[reply.ask].append(reply)
    free: SimpleQueue[Scorer] = SimpleQueue()
    for scorer in crew:
        free.put(scorer)

    def one(id: str) -> list[Scored]:
        scorer = free.get()
        try:
            return _question(asked[id], by_question[id], scorer, read)
        finally:
            free.put(scorer)

    found: Replies = defaultdict(lambda: defaultdict(list))
    with ThreadPoolExecutor(len(crew)) as pool:
        for done, rows in enumerate(pool.map(one, asked), 1):
            for row in rows:
                found[row.subject][row.question].append(row)
            shop.progress(Tick(done, len(asked), "questions scored"))
    return found


def _question(gold: Dialogue, replies: Sequence[Reply], scorer: Scorer, read: guarded.Read) -> list[Scored]:
    assessed = guarded.scored(dict.fromkeys(reply.text for reply in replies), gold, scorer, read)
    rows = []
    for subject in dict.fromkeys(reply.subject for reply in replies):
        own = sorted((r for r in replies if r.subject == subject), key=lambda r: r.index)
        votes = [r for r in own if r.index >= 0]
        labels, raised = guarded.labels([assessed[r.text].answer for r in votes], gold, scorer)
        by_vote = dict(zip(votes, labels, strict=True))
        for reply in own:
            score = assessed[reply.text].ended(reply.finish)
            if raised and reply in by_vote:
                score = replace(score, reason=f"{score.reason}; votes counted by their words: {raised}")
            text, label = reply.text, by_vote.get(reply)
            rows.append(Scored(gold.id, gold.group, subject, reply.index, text, reply.finish, score, label))
    return rows


def _rows(pairs: Mapping[str, Judged]) -> list[Scored]:
    """Every reply once; the base's as they stand against the first adapter."""
    sides = [next(iter(pairs.values()))[0], *(after for _, after in pairs.values())]
    return [reply for side in sides for replies in side.values() for reply in replies]


def _write(folder: Path, pairs: Mapping[str, Judged]) -> None:
    sides = [next(iter(pairs.values()))[0], *(after for _, after in pairs.values())]
    rows = [
        {
            **{name: getattr(r, name) for name in ("question", "group", "subject", "index", "text", "finish", "label")},
            **{name: getattr(r.score, name) for name in ("outcome", "value", "reason")},
            "measures": orjson.dumps(dict(r.score.measures)).decode(),
            "wins": r is won,
        }
        for side in sides
        for replies in side.values()
        for won in [winner(replies)]
        for r in replies
    ]
    scores.write(folder, rows)


def _heard(pairs: Mapping[str, Judged]) -> dict[str, list[Heard]]:
    """Every subject's replies as `evals.alarms` takes them, the base's first."""
    heard: dict[str, list[Heard]] = {}
    for reply in _rows(pairs):
        score = reply.score
        usable = bool(reply.text.strip()) and answer_of(score.outcome) is not None
        error = score.reason if score.outcome == "error" else ""
        one = Heard(reply.question, reply.index, reply.text, reply.finish, usable, error)
        heard.setdefault(reply.subject, []).append(one)
    return heard
