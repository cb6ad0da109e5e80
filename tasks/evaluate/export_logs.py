"""The evaluation of a run, written for other tools: lm-evaluation-harness results, Inspect logs, plain rows.

    write(run, "lm-eval", out)   out/SUBJECT/results_TIME.json, out/SUBJECT/samples_NAME_TIME.jsonl
    write(run, "inspect", out)   out/SUBJECT.json, which `inspect view` opens
    write(run, "evalscope", out) out/SUBJECT/reviews, predictions and reports
    write(run, "rows", out)      out/SUBJECT.jsonl

`ponens verdict` reads each of them again, with the same figures.

One subject is the base or an adapter. The forms are those of lm-eval 0.4, of Inspect's log version 2 and of EvalScope
1. The figure all get is the accuracy of the majority vote, or of the only reply; the first two have its standard error
clustered by problem: Miller (2024), "Adding error bars to evals", arXiv 2411.00640, equation 4. Of dialogues it is
the share that is right by their scorer; a row's answer is then what became of the reply, its key "right".
"""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from storage.artifacts import write_json
from storage.records import UsageError, digest
from storage.runs import Run
from tasks.kinds.read_back import Answer, Subject, answered

# how a reply ended, in Inspect's words
_REASONS = {"stop": "stop", "length": "max_tokens", "overflow": "model_length", "refused": "content_filter"}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """One subject's part of an evaluation, under the name of the recipe that it was made with."""

    run: Run
    subject: Subject

    @property
    def name(self) -> str:
        return str(self.run.outcome["recipe"])

    @property
    def filter(self) -> str:
        """What made one answer of the replies."""
        return "majority-vote" if self.subject.facts["votes"] > 1 else "first-reply"

    @property
    def answers(self) -> list[Answer]:
        return list(self.subject.answers.values())

    def accuracy(self) -> tuple[float, float]:
        """The share of right answers and its standard error, questions of one problem taken together."""
        share = sum(one.right for one in self.answers) / len(self.answers)
        residuals: dict[str, float] = defaultdict(float)
        for one in self.answers:
            residuals[one.group] += one.right - share
        return share, math.sqrt(math.fsum(r * r for r in residuals.values())) / len(self.answers)


def write(run: Run, form: str, out: Path) -> dict[str, Any]:
    """Write every subject of the run's evaluation into the new folder `out`; says what was written.

    UsageError for an unknown form or a folder that is there, PonensError if the run has no evaluation any more.
    """
    if form not in FORMS:
        raise UsageError("no such form", seen=repr(form), expected=f"one of {', '.join(FORMS)}")
    if out.exists():
        raise UsageError(f"{out} is there already", expected="a new folder", hint="give another with --out")
    subjects = answered(run)
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for subject in subjects:
        FORMS[form](Task(run, subject), aside)
    aside.rename(out)
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    return {"run": run.id, "form": form, "out": str(out), "subjects": [s.name for s in subjects], "files": files}


def _rows(task: Task, folder: Path) -> None:
    """Lines that `ponens verdict` reads."""
    _lines(folder / f"{_plain(task.subject.name)}.jsonl", [one.row for one in task.answers])


def _lm_eval(task: Task, folder: Path) -> None:
    subject, name, by = task.subject, task.name, task.filter
    stamp = subject.made_at.replace(":", "-")
    place = folder / _plain(subject.name)
    place.mkdir()
    (share, error), facts, n = task.accuracy(), subject.facts, len(task.answers)
    config = {
        "task": name,
        "output_type": "generate_until",
        "repeats": facts["votes"],
        "generation_kwargs": {"temperature": facts["temperature"]},
        "metadata": {"version": subject.prompt},
    }
    content = {
        "results": {name: {"alias": name, f"acc,{by}": share, f"acc_stderr,{by}": error, "sample_len": n}},
        "group_subtasks": {name: []},
        "configs": {name: config},
        "versions": {name: subject.prompt},
        "n-shot": {name: 0},
        "higher_is_better": {name: {"acc": True}},
        "n-samples": {name: {"original": n, "effective": n}},
        "config": {"model": facts["engine"], "model_args": _model_args(task), "limit": None},
        "git_hash": None,
        "date": datetime.fromisoformat(subject.made_at).timestamp(),
        "model_source": facts["engine"],
        "model_name": subject.name,
    }
    write_json(place / f"results_{stamp}.json", content)
    rows = [_lm_eval_row(number, one, by) for number, one in enumerate(task.answers)]
    _lines(place / f"samples_{name}_{stamp}.jsonl", rows)


def _lm_eval_row(number: int, one: Answer, by: str) -> Row:
    prompt = "\n".join(message.content for message in one.messages)
    doc: Row = {"id": one.id, "group": one.group, "problem": one.problem, "question": one.asked}
    doc |= {"options": list(one.options), "answer": one.target}
    return {
        "doc_id": number,
        "doc": doc,
        "target": one.target,
        "arguments": {"gen_args_0": {"arg_0": prompt}},
        "resps": [[reply["text"] for reply in one.replies]],
        "filtered_resps": ["[invalid]" if one.answer is None else one.said],  # as lm-eval's own filters write it
        "filter": by,
        "metrics": ["acc"],
        "doc_hash": digest(doc),
        "prompt_hash": digest(prompt),
        "target_hash": digest(one.target),
        "acc": float(one.right),
    }


def _inspect(task: Task, folder: Path) -> None:
    (share, error), subject = task.accuracy(), task.subject
    facts, made_at = subject.facts, subject.made_at
    content = {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": digest([task.run.id, subject.name])[:22],
            "run_id": task.run.id,
            "created": made_at,
            "task": task.name,
            "task_id": digest([task.name, subject.prompt])[:22],
            "task_version": subject.prompt,
            "dataset": {
                "name": task.name,
                "samples": len(task.answers),
                "sample_ids": [one.id for one in task.answers],
                "shuffled": False,
            },
            "model": f"ponens/{subject.name}",
            "model_args": _model_args(task),
            "model_generate_config": {"temperature": facts["temperature"]},
            "config": {"epochs": 1},
            "metadata": {"votes": facts["votes"], "prompt": subject.prompt},
        },
        "results": {
            "total_samples": len(task.answers),
            "completed_samples": len(task.answers),
            "scores": [
                {
                    "name": task.filter,
                    "scorer": task.filter,
                    "metrics": {
                        "accuracy": {"name": "accuracy", "value": share},
                        "stderr": {"name": "stderr", "value": error},
                    },
                }
            ],
        },
        "stats": {"started_at": made_at, "completed_at": made_at},
        "samples": [_inspect_sample(task, one) for one in task.answers],
    }
    write_json(folder / f"{_plain(subject.name)}.json", content)


def _inspect_sample(task: Task, one: Answer) -> Row:
    name = task.subject.name
    asked = [message.dict() for message in one.messages]
    said = [{"role": "assistant", "content": reply["text"], "model": name} for reply in one.replies]
    return {
        "id": one.id,
        "epoch": 1,
        "input": asked,
        **({"choices": list(one.options)} if one.options else {}),
        "target": one.target,
        "messages": [*asked, *said[:1]],
        "output": {
            "model": name,
            "choices": [
                {"message": message, "stop_reason": _REASONS[reply["finish"]]}
                for message, reply in zip(said, one.replies, strict=True)
            ],
        },
        "scores": {
            task.filter: {
                "value": "C" if one.right else "I",
                "answer": "" if one.answer is None else one.said,
                "explanation": f"votes {', '.join(vote or '–' for vote in one.votes)}",
            }
        },
        "metadata": {"group": one.group, "source_id": one.source_id},
    }


def _evalscope(task: Task, folder: Path) -> None:
    subject, name = task.subject, task.name
    model = _plain(subject.name)
    place = folder / model
    for part in ("reviews", "predictions", "reports"):
        (place / part / model).mkdir(parents=True)
    share, _ = task.accuracy()
    _lines(place / "reviews" / model / f"{name}_default.jsonl", [_review(n, one) for n, one in enumerate(task.answers)])
    predictions = [_prediction(model, n, one) for n, one in enumerate(task.answers)]
    _lines(place / "predictions" / model / f"{name}_default.jsonl", predictions)
    n = len(task.answers)
    subset = {"name": "default", "score": share, "num": n}
    metric = {"identity": {"name": "accuracy", "aggregation": "mean", "dimensions": {}}, "num": n, "score": share,
              "categories": [{"name": ["default"], "num": n, "score": share, "subsets": [subset]}]}  # fmt: skip
    report = {
        "schema_version": 2,
        "name": f"{model}@{name}",
        "dataset_name": name,
        "model_name": model,
        "metrics": [metric],
    }
    write_json(place / "reports" / model / f"{name}.json", report)


def _review(number: int, one: Answer) -> Row:
    said = "" if one.answer is None else one.said
    score = {
        "value": {"accuracy": float(one.right)},
        "status": "success",
        "extracted_prediction": said,
        "prediction": one.replies[0]["text"] if one.replies else said,
        "explanation": f"votes {', '.join(vote or '–' for vote in one.votes)}",
        "metadata": {},
        "main_score_name": "accuracy",
    }
    metadata = {"id": one.id, "group": one.group, "source_id": one.source_id}
    return {
        "index": number,
        "target": [one.target],
        "messages": [message.dict() for message in one.messages],
        "sample_score": {
            "score": score,
            "sample_id": number,
            "group_id": number,
            "generation_index": 0,
            "sample_metadata": metadata,
        },
    }


def _prediction(model: str, number: int, one: Answer) -> Row:
    choices = [
        {"message": {"role": "assistant", "content": reply["text"]}, "stop_reason": _REASONS[reply["finish"]]}
        for reply in one.replies
    ]
    asked = [message.dict() for message in one.messages]
    return {"index": number, "model": model, "model_output": {"model": model, "choices": choices}, "messages": asked}


def _model_args(task: Task) -> Row:
    args = {"pretrained": task.run.recipe["train"]["base_model"]}
    return args if task.subject.name == "base" else {**args, "peft": task.subject.name}


def _plain(name: str) -> str:
    return name.replace("/", "-")


def _lines(path: Path, rows: Sequence[Row]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


FORMS: dict[str, Callable[[Task, Path], None]] = {
    "lm-eval": _lm_eval,
    "inspect": _inspect,
    "evalscope": _evalscope,
    "rows": _rows,
}
