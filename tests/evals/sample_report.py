"""Facts of a report that never was: 300 questions in Chinese and English, for tests and pictures.

python -m tests.evals.sample_report > report.html     (toy; add "worse" or "cannot" for those words, "several"
for three adapters and their vote)
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from evals.adaptive import Beta, Exact, Window
from evals.calibration import Shown, consistency
from evals.report.facts import Facts, QuestionFacts, ReplyFacts, change_of
from evals.report.page import page
from evals.summary import replays, savings, summary
from evals.vote import count
from storage.records import Ballot, Question, Sample, digest
from tests.evals.sample_rationales import told_of

VOTES = 5
NAMES = {"en": ["Rik", "Mia", "Tom", "Ava", "Leo", "Zoe"], "zh": ["小明", "小红", "小刚", "小丽", "大伟", "阿芳"]}
FAMILIES = ["seating", "kinship", "compass", "truth-tellers"]
RATES = {"better": (0.12, 0.86), "worse": (0.70, 0.52), "cannot": (0.70, 0.71)}
SEVERAL = ("logic/1", "logic/2", "logic/3")


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


def reply(q: Question, answer: str | None, draw: random.Random) -> tuple[str, str, tuple[int, int] | None]:
    """A reply, what read it, and where."""
    if answer is None:
        if draw.random() < 0.1:
            return "I cannot answer this.", "refused", (0, 15)
        return q.problem.split("\n")[1][:12] * draw.randint(3, 9), draw.choice(["truncated", "unreadable"]), None
    scan = "\n".join(
        f"{'ABCD'[k]}) {text}: {draw.choice(['no', 'not at the end', 'has a neighbour there'])}"
        for k, text in enumerate(q.options)
    )
    said = q.options["ABCD".index(answer)]
    zh, kind = q.language == "zh", draw.random()
    body = f"逐条整理线索，得到一排的次序。\n{scan}\n" if zh else f"The clues chain into one row.\n{scan}\n"
    if kind < 0.8:
        body += f"只有{said}符合。\n" if zh else f"Only {said} fits.\n"
        end, by = (f"答案：{answer}" if zh else f"Answer: {answer}"), "answer-line"
    elif kind < 0.92:
        end, by = (f"因此选 {answer}" if zh else f"So I choose {answer}"), "cue"
    else:
        end, by = f"\\boxed{{{answer}}}", "boxed"
    return body + end, by, (len(body), len(body + end))


def asked(
    q: Question, name: str, skill: float, silent: float, draw: random.Random
) -> tuple[Ballot, ReplyFacts, list[Sample]]:
    def one(p: float) -> str | None:
        if draw.random() < silent:
            return None
        return q.answer if draw.random() < p else draw.choice([x for x in q.letters if x != q.answer])

    p = min(1.0, max(0.0, draw.gauss(skill, 0.12)))
    cast = [one(p) for _ in range(VOTES)]
    ballot, greedy = count(q, cast), one(p)
    said = [reply(q, v, draw) for v in [greedy, *cast]]
    samples = [
        Sample(q.id, name, index, text, "length" if by == "truncated" else "stop", len(text) // 4, v, by)
        for index, ((text, by, _), v) in enumerate(zip(said, [greedy, *cast], strict=True), -1)
    ]
    if name == "base":
        samples.append(Sample(q.id, name, -2, "A", "stop", 1, draw.choice(q.letters), "forced"))
    places = [None if at is None else list(at) for _, _, at in said]
    return ballot, ReplyFacts(
        winner=ballot.winner, votes=list(ballot.votes), greedy=greedy, greedy_text=said[0][0],
        greedy_extractor=said[0][1], greedy_at=places[0], texts=[text for text, _, _ in said[1:]],
        extractors=[by for _, by, _ in said[1:]], at=places[1:],
    ), samples  # fmt: skip


def together(q: Question, replies: list[ReplyFacts]) -> tuple[Ballot, ReplyFacts]:
    """The vote of several, which has votes alone."""
    ballot = count(q, [vote for one in replies for vote in one["votes"]])
    return ballot, ReplyFacts(
        winner=ballot.winner, votes=list(ballot.votes), greedy=None, greedy_text="", greedy_extractor="",
        greedy_at=None, texts=[], extractors=[], at=[],
    )  # fmt: skip


def sample_facts(n: int = 300, word: str = "better", toy: bool = True, several: bool = False) -> Facts:
    """A whole report's facts; `word` is the verdict they lead to. `several` compares three adapters, none trained."""
    draw = random.Random(11)
    base_skill, adapter_skill = RATES[word]
    pairs = list(questions(n))
    family = {q.id: name for q, name in pairs}
    puzzles = [q for q, _ in pairs]
    names = list(SEVERAL) if several else ["logic/1"]
    skills = {"base": (base_skill, 0.6 if base_skill < 0.5 else 0.06)}
    skills |= {name: (adapter_skill - 0.12 * number, 0.01 + 0.05 * number) for number, name in enumerate(names)}
    found = {name: {q.id: asked(q, name, *skill, draw) for q in puzzles} for name, skill in skills.items()}
    if word == "cannot":
        for id, kept in found["base"].items():
            if draw.random() >= 0.15:
                found[names[0]][id] = kept
    ballots = {name: {id: ballot for id, (ballot, _, _) in of.items()} for name, of in found.items()}
    replies = {name: {id: told for id, (_, told, _) in of.items()} for name, of in found.items()}
    samples = {name: [s for _, _, said in of.values() for s in said] for name, of in found.items()}
    own = dict(ballots)
    if several:
        vote = f"vote of {'+'.join(names)}"
        all_of = {q.id: together(q, [replies[name][q.id] for name in names]) for q in puzzles}
        ballots[vote], replies[vote] = ({id: of[k] for id, of in all_of.items()} for k in (0, 1))
    compared = list(ballots)[1:]
    named = [replace(q, source_id=f"{family[q.id]}-{q.source_id}") for q in puzzles]
    told = told_of(puzzles)
    rules = {"exact": Exact(), "beta 0.95": Beta(0.95), "window 4": Window(4)}

    def places(name: str) -> dict[str, Any]:
        turned = {
            q.id: [
                Shown((0, 1, 2, 3), ballots[name][q.id].winner),
                *(Shown(order, draw.choice("ABCD")) for order in ((3, 2, 1, 0), (1, 2, 3, 0))),
            ]
            for q in puzzles
        }
        return asdict(consistency(turned, {q.id: q.group for q in puzzles}))

    return Facts(
        form="voted",
        name="demo", adapter="logic/1", base_model="toy-qwen2" if toy else "Qwen/Qwen2.5-7B-Instruct", toy=toy,
        made_at="2026-11-22T01:45:00+00:00", command="ponens run recipes/demo.toml --set evaluate.votes=5",
        recipe='name = "logic"\nkind = "choice"\n\n[parse]\npath = "puzzles.jsonl"\n\n[train]\nrank = 16\nepochs = 3\n',
        evaluation={
            "questions": n, "problems": len({q.group for q in puzzles}), "votes": VOTES, "adaptive": "off",
            "weighting": "none", "engine": "vllm", "temperature": 0.8, "adapter_name": names[0],
            **summary(named, samples, ballots, compared),
            "sampled": savings(own.values(), VOTES), "replays": replays(list(own.values()), puzzles, rules),
            "consistency": {name: places(name) if several else None for name in own},
            "warnings": [],
        },
        questions=[
            QuestionFacts(id=q.id, source_id=q.source_id, problem=q.problem, question=q.question,
                          options=list(q.options), gold=str(ballots["base"][q.id].gold), base=replies["base"][q.id],
                          adapter=replies[names[0]][q.id],
                          others={name: replies[name][q.id] for name in compared[1:]},
                          change=change_of(ballots["base"][q.id].right, ballots[names[0]][q.id].right),
                          tags=[family[q.id]])
            for q in puzzles
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
        costs=None if several else
        {"requests": 1200, "from_ledger": 0, "tokens_in": 312_400, "tokens_out": 188_211, "money": None, "estimated": 0,
         "currency": ""},
        rationales=None if several else told.facts(), suspects=[] if several else told.suspects()[:10],
        training=None if several else {
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
    several = "several" in sys.argv
    sys.stdout.write(
        page(sample_facts(word=words[0] if words else "better", toy=not (words or several), several=several))
    )
