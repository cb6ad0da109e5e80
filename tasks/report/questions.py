"""Every question of an evaluation with its replies, as the form of the report takes them.

voted     letters: each subject's votes, and where each answer was read
scored    replies with what a scorer made of them, each subject's beside the other's
alone     a base's own replies, of either kind
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from evals.evaluation import adapters, beside
from evals.report.facts import (
    AloneQuestion,
    AloneReply,
    QuestionFacts,
    ReplyFacts,
    ScoredQuestion,
    ScoredReply,
    change_of,
)
from storage.dialogues import Dialogue
from storage.home import Home
from storage.records import GREEDY, LETTERS, Question, Receipt
from storage.tables.dialogue_files import Dialogues
from storage.tables.questions import Stored
from storage.tables.samples import BALLOTS, SAMPLES
from storage.tables.scores import SCORES
from tasks.kinds.choice import read

_SILENT = {"gold-invalid", "undecided"}  # outcomes that say nothing of either side
Row = dict[str, Any]


def voted(home: Home, texts: int, parse: Receipt, evaluate: Receipt) -> list[QuestionFacts]:
    """Questions in the order of their ids; of replies at most `texts` characters, those of changed questions first."""
    questions = {q.id: q for q in Stored(home, parse)}
    adapter, others = evaluate.facts["adapter_name"], evaluate.facts["others"]
    ballots: dict[str, dict[str, Row]] = defaultdict(dict)
    for ballot in _rows(home, evaluate, BALLOTS):
        ballots[ballot["question"]][ballot["subject"]] = ballot
    samples: dict[tuple[str, str], dict[int, Row]] = defaultdict(dict)
    for sample in _rows(home, evaluate, SAMPLES):
        samples[sample["question"], sample["subject"]][sample["index"]] = sample
    told = []
    for id in sorted(ballots):
        replies = {
            name: _votes(questions[id], ballots[id][name], samples[id, name]) for name in ("base", adapter, *others)
        }
        told.append(_voted(questions[id], replies, str(ballots[id]["base"]["gold"])))
    for one in sorted(told, key=lambda one: one["change"].startswith("both")):
        for side in (one["base"], one["adapter"], *one["others"].values()):
            texts -= sum(map(len, side["texts"]))
            if texts < 0:
                side["texts"] = []
    return told


def scored(home: Home, texts: int, parse: Receipt, evaluate: Receipt) -> tuple[list[ScoredQuestion], int]:
    """Questions with replies of at most `texts` characters, changed questions first, and how many were left out."""
    rows: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(home, evaluate, SCORES):
        rows[row["question"]][row["subject"]].append(row)
    fixed, broken = (set(evaluate.facts["paired"][name]) for name in ("fixed_ids", "broken_ids"))
    names = [*adapters(evaluate.facts), *beside(evaluate.facts)]
    told = [
        _scored(dialogue, [rows[dialogue.id][name] for name in ("base", *names)])
        for dialogue in Dialogues(home, parse, "test")
        if dialogue.id in rows
    ]
    left_out = 0
    for one in sorted(told, key=lambda one: (one["id"] not in fixed | broken, one["id"])):
        for side in (one["base"], one["adapter"], *one["others"]):
            for reply in list(side):
                texts -= len(reply["text"])
                if texts < 0 and not reply["wins"]:
                    side.remove(reply)
                    left_out += 1
    return told, left_out


def alone(home: Home, texts: int, parse: Receipt, evaluate: Receipt) -> tuple[list[AloneQuestion], int]:
    """The base's questions with replies of at most `texts` characters, wrong ones first, and how many were left out."""
    questions = list((_alone_scored if "kind" in evaluate.facts else _alone_voted)(home, parse, evaluate))
    left_out = 0
    for question in sorted(questions, key=lambda q: (q["right"] is not False, q["id"])):
        for reply in list(question["replies"]):
            texts -= len(reply["text"])
            if texts < 0:
                question["replies"].remove(reply)
                left_out += 1
    return questions, left_out


def _voted(question: Question, replies: Mapping[str, ReplyFacts], gold: str) -> QuestionFacts:
    """`replies` are those of the base, of the first adapter, and of all others."""
    base, adapter, *_ = replies.values()
    return {
        "id": question.id,
        "source_id": question.source_id,
        "problem": question.problem,
        "question": question.question,
        "options": list(question.options),
        "gold": gold,
        "base": base,
        "adapter": adapter,
        "others": dict(list(replies.items())[2:]),
        "change": change_of(base["winner"] == gold, adapter["winner"] == gold),
    }


def _votes(question: Question, ballot: Row, samples: Mapping[int, Row]) -> ReplyFacts:
    """One subject's replies, each with the place that its answer was read from; a vote of several has none."""
    greedy = samples.get(GREEDY)
    votes = [samples[index] for index in sorted(samples) if index >= 0]
    return {
        "winner": ballot["winner"],
        "votes": ballot["votes"],
        "greedy": greedy["answer"] if greedy else None,
        "greedy_text": greedy["text"] if greedy else "",
        "greedy_extractor": greedy["extractor"] if greedy else "",
        "greedy_at": _at(question, greedy) if greedy else None,
        "texts": [vote["text"] for vote in votes],
        "extractors": [vote["extractor"] for vote in votes],
        "at": [_at(question, vote) for vote in votes],
    }


def _at(question: Question, sample: Row) -> list[int] | None:
    """Where the extractor fired; samples keep what it read and not where, and the text gives that again."""
    at = read(question, sample["index"], sample["text"], sample["finish"]).at
    return None if at is None else list(at)


def _scored(dialogue: Dialogue, replies: Sequence[Sequence[Row]]) -> ScoredQuestion:
    """`replies` are those of the base, of the first adapter, and of all others."""
    won = [next(row["outcome"] for row in of if row["wins"]) for of in replies[:2]]
    *before, asked, answer = dialogue.messages
    base, adapter, *others = ([_score(row) for row in of] for of in replies)
    return {
        "id": dialogue.id,
        "source_id": dialogue.source_id,
        "before": [message.dict() for message in before],
        "asked": asked.content,
        "reference": answer.content,
        "base": base,
        "adapter": adapter,
        "others": others,
        "change": None if _SILENT.intersection(won) else change_of(won[0] == "right", won[1] == "right"),
    }


def _score(row: Row) -> ScoredReply:
    return {
        "index": row["index"],
        "text": row["text"],
        "outcome": row["outcome"],
        "value": row["value"],
        "reason": row["reason"],
        "wins": row["wins"],
    }


def _alone_voted(home: Home, parse: Receipt, evaluate: Receipt) -> Iterator[AloneQuestion]:
    ballots = {b["question"]: b for b in _rows(home, evaluate, BALLOTS)}
    said: dict[str, list[AloneReply]] = defaultdict(list)
    for sample in _rows(home, evaluate, SAMPLES, by="index"):
        if sample["index"] >= GREEDY:  # a forced letter is no text to read
            winner = ballots[sample["question"]]["winner"]
            wins = sample["index"] >= 0 and winner is not None and sample["answer"] == winner
            said[sample["question"]].append(_alone(sample, sample["answer"] or "–", sample["extractor"], wins=wins))
    for q in Stored(home, parse):
        if ballot := ballots.get(q.id):
            options = "\n".join(f"{letter}) {option}" for letter, option in zip(LETTERS, q.options, strict=False))
            yield {
                "id": q.id,
                "source_id": q.source_id,
                "asked": [q.problem, q.question, options],
                "reference": ballot["gold"],
                "right": ballot["winner"] == ballot["gold"],
                "replies": said[q.id],
            }


def _alone_scored(home: Home, parse: Receipt, evaluate: Receipt) -> Iterator[AloneQuestion]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(home, evaluate, SCORES, by="index"):
        rows[row["question"]].append(row)
    for dialogue in Dialogues(home, parse, "test"):
        if own := rows.get(dialogue.id):
            outcome = next(row["outcome"] for row in own if row["wins"])
            yield {
                "id": dialogue.id,
                "source_id": dialogue.source_id,
                "asked": [m.content for m in dialogue.messages[:-1]],
                "reference": dialogue.messages[-1].content,
                "right": None if outcome in _SILENT else outcome == "right",
                "replies": [_alone(row, row["outcome"], row["reason"], wins=row["wins"]) for row in own],
            }


def _alone(row: Row, said: str, how: str, *, wins: bool) -> AloneReply:
    name = "greedy" if row["index"] == GREEDY else f"vote {row['index'] + 1}"
    return {"name": name, "text": row["text"], "said": said, "how": how, "wins": wins}


def _rows(home: Home, evaluate: Receipt, table: str, by: str | None = None) -> Iterator[Row]:
    frame = pl.read_parquet(home.root / evaluate.artifact / table, glob=False)
    return (frame.sort(by) if by else frame).iter_rows(named=True)
