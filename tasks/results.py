"""The evaluation of a run, written for other tools: lm-evaluation-harness results, Inspect logs, plain rows.

    write(run, "lm-eval", out)   out/SUBJECT/results_TIME.json, out/SUBJECT/samples_NAME_TIME.jsonl
    write(run, "inspect", out)   out/SUBJECT.json, which `inspect view` opens
    write(run, "rows", out)      out/SUBJECT.jsonl: what `ponens verdict` reads

One subject is the base or an adapter. The forms are those of lm-eval 0.4 and of Inspect's log version 2. The
figure both get is the accuracy of the majority vote, with its standard error clustered by problem: Miller
(2024), "Adding error bars to evals", arXiv 2411.00640, equation 4.
"""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from prompts import choice
from storage.artifacts import write_json
from storage.questions import Stored
from storage.records import PonensError, Question, UsageError, digest
from storage.runs import Run
from storage.samples import BALLOTS, SAMPLES

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject's part of an evaluation: ballots and samples (greedy first, then votes) by question id."""

    name: str
    run: Run
    facts: Mapping[str, Any]
    made_at: str
    questions: Mapping[str, Question]
    ballots: Mapping[str, Row]
    samples: Mapping[str, Sequence[Row]]

    @property
    def task(self) -> str:
        return str(self.run.outcome["recipe"])

    def right(self, id: str) -> bool:
        ballot = self.ballots[id]
        return ballot["winner"] is not None and ballot["winner"] == ballot["gold"]

    def accuracy(self) -> tuple[float, float]:
        """The share of right winners and its standard error, questions of one problem taken together."""
        share = sum(map(self.right, self.ballots)) / len(self.ballots)
        residuals: dict[str, float] = defaultdict(float)
        for id, ballot in self.ballots.items():
            residuals[ballot["group"]] += self.right(id) - share
        return share, math.sqrt(math.fsum(r * r for r in residuals.values())) / len(self.ballots)


def write(run: Run, form: str, out: Path) -> dict[str, Any]:
    """Write every subject of the run's evaluation into the new folder `out`; says what was written.

    UsageError for an unknown form or a folder that is there, PonensError if the run has no evaluation any more.
    """
    if form not in FORMS:
        raise UsageError("no such form", seen=repr(form), expected=f"one of {', '.join(FORMS)}")
    if out.exists():
        raise UsageError(f"{out} is there already", expected="a new folder", hint="give another with --out")
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    subjects = _subjects(run)
    for subject in subjects:
        FORMS[form](subject, aside)
    aside.rename(out)
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    return {"run": run.id, "form": form, "out": str(out), "subjects": [s.name for s in subjects], "files": files}


def _subjects(run: Run) -> list[Subject]:
    parsed, evaluated = run.receipt("parse"), run.receipt("evaluate")
    if parsed is None or evaluated is None:
        raise PonensError(
            f"run {run.id} has no evaluation",
            seen=f"its steps {', '.join(done['name'] for done in run.outcome.get('steps', [])) or '(none)'}",
            expected="evaluate among them, with its receipt in the home",
            hint="ponens evaluate RECIPE",
        )
    folder = run.home.root / evaluated.artifact
    try:
        ballots, samples = (pl.read_parquet(folder / name) for name in (BALLOTS, SAMPLES))
    except OSError:
        raise PonensError(f"the evaluation of run {run.id} is gone", seen=folder, hint="run its recipe again") from None
    wanted = set(ballots["question"])
    questions = {q.id: q for q in Stored(run.home, parsed) if q.id in wanted}
    replies: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for sample in samples.sort("index").iter_rows(named=True):
        if sample["index"] >= -1:  # not the letter that was forced
            replies[sample["subject"], sample["question"]].append(sample)
    return [
        Subject(
            name,
            run,
            evaluated.facts,
            evaluated.made_at,
            questions,
            {b["question"]: b for b in sorted(cast, key=lambda b: str(b["question"]))},
            {id: replies[name, id] for id in wanted},
        )
        for (name,), part in ballots.group_by("subject", maintain_order=True)
        for cast in [part.to_dicts()]
    ]


def _rows(subject: Subject, folder: Path) -> None:
    """Lines that `ponens verdict` reads."""
    lines = [
        {"id": id, "group": b["group"], "gold": b["gold"], "answer": b["winner"]} for id, b in subject.ballots.items()
    ]
    _lines(folder / f"{_plain(subject.name)}.jsonl", lines)


def _lm_eval(subject: Subject, folder: Path) -> None:
    stamp = subject.made_at.replace(":", "-")
    place = folder / _plain(subject.name)
    place.mkdir()
    share, error = subject.accuracy()
    task, facts, n = subject.task, subject.facts, len(subject.ballots)
    config = {
        "task": task,
        "output_type": "generate_until",
        "repeats": facts["votes"],
        "generation_kwargs": {"temperature": facts["temperature"]},
        "metadata": {"version": choice.VERSION},
    }
    content = {
        "results": {
            task: {
                "alias": task,
                "acc,majority-vote": share,
                "acc_stderr,majority-vote": error,
                "sample_len": n,
            }
        },
        "group_subtasks": {task: []},
        "configs": {task: config},
        "versions": {task: choice.VERSION},
        "n-shot": {task: 0},
        "higher_is_better": {task: {"acc": True}},
        "n-samples": {task: {"original": n, "effective": n}},
        "config": {"model": facts["engine"], "model_args": _model_args(subject), "limit": None},
        "git_hash": None,
        "date": datetime.fromisoformat(subject.made_at).timestamp(),
        "model_source": facts["engine"],
        "model_name": subject.name,
    }
    write_json(place / f"results_{stamp}.json", content)
    _lines(
        place / f"samples_{task}_{stamp}.jsonl", [_lm_eval_row(subject, n, id) for n, id in enumerate(subject.ballots)]
    )


def _lm_eval_row(subject: Subject, number: int, id: str) -> Row:
    question, ballot = subject.questions[id], subject.ballots[id]
    prompt = "\n".join(message.content for message in choice.solve(question))
    doc = {"id": id, "group": ballot["group"], "problem": question.problem, "question": question.question}
    doc |= {"options": list(question.options), "answer": ballot["gold"]}
    return {
        "doc_id": number,
        "doc": doc,
        "target": ballot["gold"],
        "arguments": {"gen_args_0": {"arg_0": prompt}},
        "resps": [[sample["text"] for sample in subject.samples[id] if sample["index"] >= 0]],
        "filtered_resps": [ballot["winner"]],
        "filter": "majority-vote",
        "metrics": ["acc"],
        "doc_hash": digest(doc),
        "prompt_hash": digest(prompt),
        "target_hash": digest(ballot["gold"]),
        "acc": float(subject.right(id)),
    }


def _inspect(subject: Subject, folder: Path) -> None:
    share, error = subject.accuracy()
    facts, ids, made_at = subject.facts, list(subject.ballots), subject.made_at
    content = {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": digest([subject.run.id, subject.name])[:22],
            "run_id": subject.run.id,
            "created": made_at,
            "task": subject.task,
            "task_id": digest([subject.task, choice.VERSION])[:22],
            "task_version": choice.VERSION,
            "dataset": {"name": subject.task, "samples": len(ids), "sample_ids": ids, "shuffled": False},
            "model": f"ponens/{subject.name}",
            "model_args": _model_args(subject),
            "model_generate_config": {"temperature": facts["temperature"]},
            "config": {"epochs": 1},
            "metadata": {"votes": facts["votes"], "prompt": choice.VERSION},
        },
        "results": {
            "total_samples": len(ids),
            "completed_samples": len(ids),
            "scores": [
                {
                    "name": "majority-vote",
                    "scorer": "majority-vote",
                    "metrics": {
                        "accuracy": {"name": "accuracy", "value": share},
                        "stderr": {"name": "stderr", "value": error},
                    },
                }
            ],
        },
        "stats": {"started_at": made_at, "completed_at": made_at},
        "samples": [_inspect_sample(subject, id) for id in ids],
    }
    write_json(folder / f"{_plain(subject.name)}.json", content)


def _inspect_sample(subject: Subject, id: str) -> Row:
    question, ballot = subject.questions[id], subject.ballots[id]
    replies = [s for s in subject.samples[id] if s["index"] >= 0]
    asked = [message.dict() for message in choice.solve(question)]
    said = [{"role": "assistant", "content": s["text"], "model": subject.name} for s in replies]
    reasons = {"stop": "stop", "length": "max_tokens", "overflow": "model_length"}
    return {
        "id": id,
        "epoch": 1,
        "input": asked,
        "choices": list(question.options),
        "target": ballot["gold"],
        "messages": [*asked, *said[:1]],
        "output": {
            "model": subject.name,
            "choices": [
                {"message": message, "stop_reason": reasons[s["finish"]]}
                for message, s in zip(said, replies, strict=True)
            ],
        },
        "scores": {
            "majority-vote": {
                "value": "C" if subject.right(id) else "I",
                "answer": ballot["winner"],
                "explanation": f"votes {', '.join(vote or '–' for vote in ballot['votes'])}",
            }
        },
        "metadata": {"group": ballot["group"], "source_id": question.source_id},
    }


def _model_args(subject: Subject) -> Row:
    args = {"pretrained": subject.run.recipe["train"]["base_model"]}
    return args if subject.name == "base" else {**args, "peft": subject.name}


def _plain(name: str) -> str:
    return name.replace("/", "-")


def _lines(path: Path, rows: Sequence[Row]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


FORMS: dict[str, Callable[[Subject, Path], None]] = {"lm-eval": _lm_eval, "inspect": _inspect, "rows": _rows}
