"""Result files as other releases of the tools wrote them, from the votes of `tests.result_files`."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tests.result_files import KEYS, Row, doc, lines, prompt, reply


def _document(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def lm_eval_passes(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Before 0.4.3: no row names its filter, the set stands there once for each; the model is in the file's name."""
    rows = [{
        "doc_id": n, "doc": doc(n), "target": KEYS[n], "arguments": [[prompt(n), {"until": []}]], "resps": [[reply(cast[at])]],
        "filtered_resps": ["[invalid]" if cast[at] == "-" else cast[at]], "exact_match": cast[at] == KEYS[n],
    } for at in (1, 0) for n, cast in enumerate(votes)]  # fmt: skip
    model = f"pretrained__m{order.random()}"
    listed = [{"name": "strict-match"}, {"name": "flexible-extract"}]
    _document(folder / "results.json", {"results": {"jars": {}}, "configs": {"jars": {"filter_list": listed}}})
    _document(folder / f"{model}_jars.jsonl", rows)
    return folder


def lm_eval_predicted(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """--predict_only: 999 for every question."""
    rows = [{
        "doc_id": n, "doc": doc(n), "target": KEYS[n], "arguments": {"gen_args_0": {"arg_0": prompt(n)}}, "doc_hash": f"{n}",
        "resps": [[reply(cast[0])]], "filtered_resps": [reply(cast[0])], "filter": "none", "metrics": ["bypass"], "bypass": 999,
    } for n, cast in enumerate(votes)]  # fmt: skip
    return lines(folder / "samples_jars_2026-11-30T10-08-43.259606.jsonl", rows, order)


def evalscope_choices(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Before 1.0, with n replies to a question, each reviewed by itself."""
    rows = [{
        "index": n, "raw_input": {"question": prompt(n), "group": doc(n)["group"]}, "choices": [{
            "index": k, "message": {"content": reply(vote)},
            "review": {"gold": KEYS[n], "pred": vote.strip("-"), "result": {"acc": vote == KEYS[n]}},
        } for k, vote in enumerate(cast)]} for n, cast in enumerate(votes)]  # fmt: skip
    lines(folder / "reviews" / "m" / "mcq_jars.jsonl", rows, order)
    return folder


def opencompass_nested(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """As of 0.4: details of each repeat below the question's name."""
    details = [{"example_abbr": f"jars_{n}", "predictions": [
        {"pred": vote.strip("-"), "answer": KEYS[n], "correct": vote == KEYS[n]} for vote in cast
    ]} for n, cast in enumerate(votes)]  # fmt: skip
    _document(folder / "results" / "m" / "jars.json", {"accuracy (3 runs average)": 50.0, "details": details})
    return folder


def opencompass_shards(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Predictions of one dataset in three files, each numbered anew."""
    entries = [
        {"origin_prompt": prompt(n), "prediction": reply(cast[0]), "gold": KEYS[n]} for n, cast in enumerate(votes)
    ]
    for shard, part in enumerate((entries[:7], entries[7:12], entries[12:])):
        numbered = {str(n): entry for n, entry in enumerate(part)}
        _document(folder / "predictions" / "m" / f"jars_{shard}.json", numbered)
    return folder


def lighteval_flat(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Before 0.9: flat columns, lists as Python's text, and the prompt as the model's own template made it."""
    rows = [{
        "example": prompt(n), "instruction": "", "full_prompt": f"<{order.random()}>{prompt(n)}", "num_asked_few_shots": 0,
        "predictions": str([reply(cast[0])]), "input_tokens": "[[1]]", "cont_tokens": "[[2]]", "truncated": "[0]", "padded": "[0]",
        "gold": str([KEYS[n]]), "pred_logits": "[]", "choices": str(list("ABCD")), "gold_index": str(["ABCD".index(KEYS[n])]),
        "metrics": {"extractive_match": float(cast[0] == KEYS[n])}, "specifics": {"group": doc(n)["group"]},
    } for n, cast in enumerate(votes)]  # fmt: skip
    place = folder / "details" / "m" / "2024-11-30T10-15-00.000000"
    place.mkdir(parents=True)
    pl.DataFrame(rows).write_parquet(place / "details_community|jars|0_2024-11-30T10-15-00.000000.parquet")
    return folder


def ms_swift_old(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Before 3.0: query, label and history in place of messages."""
    rows: list[Row] = [
        {"system": None, "query": prompt(n), "response": reply(cast[0]), "label": KEYS[n], "history": []}
        for n, cast in enumerate(votes)
    ]
    return lines(folder / "infer_result.jsonl", rows, order)


def completions(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Of the completions endpoint."""
    rows = [{"custom_id": doc(n)["uid"], "response": {"status_code": 200, "body": {"choices": [
        {"index": 0, "text": reply(cast[0])}]}}, "error": None} for n, cast in enumerate(votes)]  # fmt: skip
    return lines(folder / "out.jsonl", rows, order)


def anthropic(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Of Anthropic's batches; the last question's request expired, which the votes have as no answer."""
    rows = [{"custom_id": doc(n)["uid"], "result": {"type": "succeeded", "message": {"content": [
        {"type": "text", "text": reply(cast[0])}]}} if cast != "---" else {"type": "expired"}}
        for n, cast in enumerate(votes)]  # fmt: skip
    return lines(folder / "out.jsonl", rows, order)
