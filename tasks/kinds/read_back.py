"""What the subjects of a run's evaluation answered, read back from its artifact, letters and scores alike.

    answered(run)     base, adapters and their vote together, each with its answers by question

For `tasks.evaluate.export_logs` and `tasks.evaluate.diff_runs`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from evals.scored import RIGHT, answer_of
from prompts.choice import Choice
from storage.records import GREEDY, Message, PonensError, Receipt
from storage.runs import Run
from storage.tables.dialogue_files import Dialogues
from storage.tables.questions import Stored
from storage.tables.samples import BALLOTS, SAMPLES
from storage.tables.scores import SCORES
from tasks.kinds.registry import of_evaluation, prompt_in

Row = dict[str, Any]
_SILENT = ("gold-invalid", "undecided")  # outcomes that say nothing of either side


@dataclass(frozen=True, slots=True)
class Answer:
    """One subject on one question: how it was asked, what it said, what that came to.

    `asked` is the question, or a dialogue's last user turn; `problem` is what stands before it.
    `answer` is right where it is `gold`: a letter and the key, or what became of a reply to a dialogue and "right".
    `target` is what was wanted and `said` what answered, in full: a letter, or a text. `votes` are the answers of the
    `replies` (rows with text and finish), which are the greedy one where none was drawn.
    """

    id: str
    source_id: str
    group: str
    problem: str
    asked: str
    messages: Sequence[Message]
    options: Sequence[str]
    gold: str
    answer: str | None
    target: str
    said: str | None
    votes: Sequence[str | None]
    replies: Sequence[Row]

    @property
    def right(self) -> bool:
        return self.answer is not None and self.answer == self.gold

    @property
    def row(self) -> Row:
        """What a verdict reads."""
        return {"id": self.id, "group": self.group, "gold": self.gold, "answer": self.answer}


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject of an evaluation; `facts` are those of all, `prompt` the version of what was asked."""

    name: str
    facts: Mapping[str, Any]
    made_at: str
    prompt: str
    answers: Mapping[str, Answer]


def answered(run: Run) -> list[Subject]:
    """Every subject, answers in the order of their ids. PonensError if the run has no evaluation any more.

    Questions that say nothing of some subject (`evals.scorers.base`) are left out of all, as a verdict leaves them out.
    """
    parsed, evaluated = run.receipt("parse"), run.receipt("evaluate")
    if parsed is None or evaluated is None:
        raise PonensError(
            f"run {run.id} has no evaluation",
            seen=f"its steps {', '.join(done['name'] for done in run.outcome.get('steps', [])) or '(none)'}",
            expected="evaluate among them, with its receipt in the home",
            hint="ponens evaluate RECIPE",
        )
    work = of_evaluation(evaluated.facts)
    read = _letters if work.letters else _scores
    try:
        found = list(read(run, parsed, evaluated))
    except OSError:
        raise PonensError(
            f"the evaluation of run {run.id} is gone",
            seen=run.home.root / evaluated.artifact,
            hint="run its recipe again: nothing that was sampled is sampled twice",
        ) from None
    by_subject: dict[str, dict[str, Answer]] = defaultdict(dict)
    for name, answer in sorted(found, key=lambda pair: pair[1].id):
        by_subject[name][answer.id] = answer
    prompt = Choice.of(evaluated.facts).VERSION if work.letters else str(evaluated.facts["prompt"])
    first = evaluated.facts.get("adapter_name")  # None of a base that was measured by itself
    order = ["base", *([first, *evaluated.facts["others"]] if first else [])]
    return [Subject(name, evaluated.facts, evaluated.made_at, prompt, by_subject[name]) for name in order]


def _letters(run: Run, parsed: Receipt, evaluated: Receipt) -> Iterator[tuple[str, Answer]]:
    folder = run.home.root / evaluated.artifact
    ballots, samples = (pl.read_parquet(folder / name, glob=False) for name in (BALLOTS, SAMPLES))
    wanted = set(ballots["question"])
    questions = {q.id: q for q in Stored(run.home, parsed) if q.id in wanted}
    words = Choice.of(evaluated.facts)
    replies: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for sample in samples.filter(pl.col("index") >= 0).sort("index").iter_rows(named=True):
        replies[sample["subject"], sample["question"]].append(sample)
    for ballot in ballots.iter_rows(named=True):
        question = questions[ballot["question"]]
        yield (
            ballot["subject"],
            Answer(
                id=question.id,
                source_id=question.source_id,
                group=ballot["group"],
                problem=question.problem,
                asked=question.question,
                messages=words.solve(question),
                options=question.options,
                gold=ballot["gold"],
                answer=ballot["winner"],
                target=ballot["gold"],
                said=ballot["winner"],
                votes=ballot["votes"],
                replies=replies[ballot["subject"], question.id],
            ),
        )


def _scores(run: Run, parsed: Receipt, evaluated: Receipt) -> Iterator[tuple[str, Answer]]:
    scores = pl.read_parquet(run.home.root / evaluated.artifact / SCORES, glob=False)
    silent = set(scores.filter(pl.col("wins") & pl.col("outcome").is_in(_SILENT))["question"])
    dialogues = {d.id: d for d in Dialogues(run.home, parsed, "test")}
    prompt = prompt_in(evaluated.facts, evaluated.facts["kind"])
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in scores.sort("index").iter_rows(named=True):
        if row["question"] not in silent:
            rows[row["subject"], row["question"]].append(row)
    for (subject, id), said in rows.items():
        dialogue, won = dialogues[id], next(row for row in said if row["wins"])
        drawn = [row for row in said if row["index"] > GREEDY] or said
        yield (
            subject,
            Answer(
                id=id,
                source_id=dialogue.source_id,
                group=won["group"],
                problem="\n".join(message.content for message in dialogue.messages[:-2]),
                asked=dialogue.messages[-2].content,
                messages=prompt.ask(dialogue),
                options=(),
                gold=RIGHT,
                answer=answer_of(won["outcome"]),
                target=dialogue.messages[-1].content,
                said=won["text"],
                votes=[answer_of(row["outcome"]) for row in drawn],
                replies=drawn,
            ),
        )
