"""Files of evaluations that hold nothing to compare question by question: what each is, and what to give in its place.

Reports and figures of whole tasks, replies without keys, and what tools wrote that are not read here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from storage.evaluations import batches, evalscope
from storage.evaluations.files import Opened


class Refusal(NamedTuple):
    """What a file is, and what to give in its place."""

    what: str
    instead: str


_TABLE = "make a table of it, of id and score, or of id, key and answer"


def refusal(file: Opened) -> Refusal | None:
    """Why a file cannot be compared; None where it may be."""
    if file.is_zip or file.is_empty:
        return None
    if evalscope.is_report(file):
        return Refusal("a report of EvalScope: figures of whole datasets, no questions", "give the reviews beside it")
    if evalscope.is_prediction(file):
        return Refusal("predictions of EvalScope: replies alone have no key", "give the reviews beside them")
    if batches.is_request(file):
        return Refusal("requests of a batch: replies are not in it", "give the output, with --keys FILE")
    return _of_document(file.document) or _of_row(file.first)


def _of_document(value: Any) -> Refusal | None:
    if not isinstance(value, dict):
        return None
    names, results = value.keys(), value.get("results")
    if isinstance(results, dict) and names & {"configs", "versions", "config_general", "n-shot"}:
        what = "results of lm-eval or lighteval: figures of whole tasks, no questions"
        return Refusal(what, "give the samples that --log_samples writes, or the details")
    if "evalId" in names or (isinstance(results, dict) and isinstance(results.get("results"), list)):
        return Refusal("results of promptfoo, which are not read", _TABLE)
    if names & {"testCases", "test_cases"}:
        return Refusal("a test run of DeepEval, which is not read", _TABLE)
    if {"adapter_spec", "request_states"} <= names:
        return Refusal("a scenario of HELM, which is not read", _TABLE)
    if value and all(type(one) in (int, float) for one in value.values()):
        return Refusal("figures alone, no questions", "give predictions, or results with their details")
    return None


def _of_row(row: Any) -> Refusal | None:
    if not isinstance(row, dict):
        return None
    if "instance_id" in row and row.keys() & {"stats", "predicted_text"}:
        return Refusal("instances of HELM, which are not read", _TABLE)
    spec = row.get("spec")
    if isinstance(spec, dict) and spec.keys() & {"eval_name", "completion_fns"}:
        return Refusal("a log of OpenAI's evals, which is not read", _TABLE)
    return None
