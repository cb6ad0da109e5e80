"""Facts of a report that never was: 300 questions in Chinese and English, for tests and pictures.

python -m tests.evals.sample_report > report.html     (toy; add "worse" or "cannot" for those words)
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

from evals.facts import Facts, QuestionFacts, ReplyFacts, change_of
from evals.page import page
from evals.slices import labels_of, slices
from evals.verdict import verdict
from evals.vote import count, vote_curve
from storage.records import Ballot, Question, digest
from tests.evals.sample_rationales import told_of

VOTES = 5
NAMES = {"en": ["Rik", "Mia", "Tom", "Ava", "Leo", "Zoe"], "zh": ["小明", "小红", "小刚", "小丽", "大伟", "阿芳"]}
FAMILIES = ["seating", "kinship", "compass", "truth-tellers"]
RATES = {"better": (0.12, 0.86), "worse": (0.70, 0.52), "cannot": (0.70, 0.71)}


def questions(n: int) -> Iterator[tuple[Question, str]]:
    """Questions and their families, two to a problem."""
    draw = random.Random(7)
    for i in range(n):
        language, family = ("en", "zh")[i // 2 % 2], FAMILIES[i // 4 % 4]
        if i % 2 == 0:
            row = draw.sample(NAMES[language], 4)
            clues = [(row[k], row[k + 1]) for k in range(3)]
            draw.shuffle(clues)
        target, options = i % 2 * 3, draw.sample(row, 4)
        if language == "en":
            problem = f"Puzzle {i // 2 + 1}. Four friends sit in a row.\n"
            problem += "\n".join(f"{k}. {a} sits directly left of {b}." for k, (a, b) in enumerate(clues, 1))
            asked = f"Who sits furthest to the {('left', 'right')[i % 2]}?"
        else:
            problem = f"第 {i // 2 + 1} 题。四位朋友坐成一排。\n"
            problem += "\n".join(f"{k}. {a}紧挨着坐在{b}的左边。" for k, (a, b) in enumerate(clues, 1))
            asked = f"谁坐在最{'左右'[i % 2]}边？"
        gold = "ABCD"[options.index(row[target])]
        yield Question(problem, asked, tuple(options), gold, f"puzzles-{i // 2:04}#{i % 2 + 1}"), family


def reply(q: Question, answer: str | None, draw: random.Random) -> str:
    if answer is None:
        return q.problem.split("\n")[1][:12] * draw.randint(3, 9)
    scan = "\n".join(
        f"{'ABCD'[k]}) {text}: {draw.choice(['no', 'not at the end', 'has a neighbour there'])}"
        for k, text in enumerate(q.options)
    )
    if q.language == "zh":
        return f"逐条整理线索，得到一排的次序。\n{scan}\n只有{q.options['ABCD'.index(answer)]}符合。\n答案：{answer}"
    return f"The clues chain into one row.\n{scan}\nOnly {q.options['ABCD'.index(answer)]} fits.\nAnswer: {answer}"


def asked(q: Question, skill: float, silent: float, draw: random.Random) -> tuple[Ballot, ReplyFacts]:
    def one(p: float) -> str | None:
        if draw.random() < silent:
            return None
        return q.answer if draw.random() < p else draw.choice([x for x in q.letters if x != q.answer])

    p = min(1.0, max(0.0, draw.gauss(skill, 0.12)))
    cast = [one(p) for _ in range(VOTES)]
    ballot, greedy = count(q, cast), one(p)
    how = ["unreadable" if v is None else "answer-line" for v in [greedy, *cast]]
    texts = [reply(q, v, draw) for v in cast]
    return ballot, ReplyFacts(
        winner=ballot.winner, votes=list(ballot.votes), greedy=greedy, greedy_text=reply(q, greedy, draw),
        greedy_extractor=how[0], texts=texts, extractors=how[1:],
    )  # fmt: skip


def sample_facts(n: int = 300, word: str = "better", toy: bool = True) -> Facts:
    """A whole report's facts; `word` is the verdict they lead to."""
    draw = random.Random(11)
    base_skill, adapter_skill = RATES[word]
    asked_of = list(questions(n))
    base = [asked(q, base_skill, 0.6 if base_skill < 0.5 else 0.06, draw) for q, _ in asked_of]
    adapter = [asked(q, adapter_skill, 0.01, draw) for q, _ in asked_of]
    if word == "cannot":
        adapter = [a if draw.random() < 0.15 else b for a, b in zip(adapter, base, strict=True)]
    ballots = {"base": [b for b, _ in base], "adapter": [b for b, _ in adapter]}
    judged = verdict(
        *(
            [{"id": b.question, "group": b.group, "gold": b.gold, "answer": b.winner} for b in ballots[s]]
            for s in ballots
        )
    )
    curves = {s: vote_curve(ballots[s]) for s in ballots}
    told = told_of(q for q, _ in asked_of)
    labels = {q.id: {"family": family, **labels_of(q)} for q, family in asked_of}

    def side(name: str, rows: list[tuple[Ballot, ReplyFacts]]) -> dict:
        greedy = sum(r["greedy"] == b.gold for b, r in rows) / n
        more = {"greedy_accuracy": greedy, "single_accuracy": curves[name][0].accuracy, "forced_accuracy": 0.29}
        return {**judged.dict()[name], **more, "forced_accuracy": 0.29 if name == "base" else None}

    return Facts(
        name="demo", adapter="logic/1", base_model="toy-qwen2" if toy else "Qwen/Qwen2.5-7B-Instruct", toy=toy,
        made_at="2026-11-22T01:45:00+00:00", command="ponens run recipes/demo.toml --set evaluate.votes=5",
        recipe='name = "logic"\nkind = "choice"\n\n[parse]\npath = "puzzles.jsonl"\n\n[train]\nrank = 16\nepochs = 3\n',
        evaluation={
            "questions": n, "votes": VOTES, "engine": "vllm", "temperature": 0.8,
            "base": side("base", base), "adapter": side("adapter", adapter), "paired": judged.paired(),
            "curves": {s: [list(p) for p in curves[s]] for s in curves},
            "slices": slices(ballots["base"], ballots["adapter"], labels),
        },
        questions=[
            QuestionFacts(id=q.id, source_id=q.source_id, problem=q.problem, question=q.question,
                          options=list(q.options), gold=ba.gold, base=br, adapter=ar,
                          change=change_of(ba.right, aa.right), tags=[family])
            for (q, family), (ba, br), (aa, ar) in zip(asked_of, base, adapter, strict=True)
        ],
        steps=[
            {"name": name, "status": status, "seconds": seconds, "key": digest([name, "key"]),
             "digest": digest([name, "digest"]), "artifact": f"{name}/{digest(name)[:16]}", "facts": facts}
            for name, status, seconds, facts in (
                ("puzzles", "cached", 0.02, {"problems": 1350, "families": 4}),
                ("base", "cached", 0.01, {"parameters": 412_160}),
                ("parse", "ran", 0.9, {"questions": 1500, "groups": 1350, "rejected": 7}),
                ("reason", "ran", 12.4, {"asked": 1200, "kept": 1181, "from ledger": 0}),
                ("assemble", "ran", 1.7, {"train": 1121, "valid": 55, "dropped": 5}),
                ("train", "ran", 143.0, {"steps": 600, "rank": 16, "loss": 0.0312, "device": "cpu"}),
                ("evaluate", "ran", 61.2, {"samples": 2 * n * VOTES, "engine": "vllm"}),
            )
        ],
        thrown_away=[
            {"where": "parse", "reason": "answer outside the options", "count": 4},
            {"where": "parse", "reason": "broken JSON", "count": 3},
            {"where": "reason", "reason": "answer differs from the key", "count": 19},
            {"where": "assemble", "reason": "exact duplicate", "count": 5},
        ],
        costs={"requests": 1200, "from_ledger": 0, "tokens_in": 312_400, "tokens_out": 188_211, "money": None,
               "currency": ""},
        rationales=told.facts(), suspects=told.suspects()[:10],
        training={
            "rows": [
                {"step": s, "loss": 2.4 * 0.985 ** (s / 2) + 0.03 + 0.02 * draw.random(),
                 "learning_rate": 2e-4 * (1 - s / 600), "tokens_per_second": 900 + 100 * draw.random(),
                 "memory": 2**30 + s * 2**18} | ({"valid_loss": 2.2 * 0.985 ** (s / 2) + 0.1} if s % 100 == 0 else {})
                for s in range(0, 600, 10)
            ],
            "steps": 600, "trainable": 12_400, "parameters": 412_160, "trained_tokens": 61_000,
            "tokens_per_second": 940, "seconds": 143.0, "device": "cpu",
        },
        lineage=[
            {"what": "source file", "name": "puzzles.jsonl", "digest": digest("source")},
            {"what": "prompt", "name": "choice/2", "digest": ""},
            {"what": "teacher", "name": "embedded", "digest": ""},
            {"what": "base model", "name": "toy-qwen2", "digest": digest("model")},
            {"what": "code", "name": "ponens 0.1.0", "digest": digest("code")},
        ],
    )  # fmt: skip


if __name__ == "__main__":
    words = [w for w in sys.argv[1:] if w in RATES]
    sys.stdout.write(page(sample_facts(word=words[0] if words else "better", toy=not words)))
