"""Small result files in the forms of other tools, written from planted votes: "A" to "D", or "-" for no answer."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from storage.evaluations.files import _zipfile

KEYS = "ABCDABCDABCDABCD"
A = ["AAA", "CCC", "CAC", "ADA", "AAA", "BBC", "DDD", "D-D", "BBA", "---", "CCC", "B-C", "DDA", "B-B", "AAC", "DDD"]
B = ["AAA", "BBB", "CCC", "DDD", "AAA", "BBB", "CCC", "DDD", "AAB", "BB-", "CCC", "DDA", "AA-", "BBC", "---", "DDD"]
Row = dict[str, Any]
Writer = Callable[[Path, Sequence[str], random.Random], Path]


def reply(vote: str) -> str:
    return f"I count.\n\nANSWER: {vote}" if vote != "-" else "I cannot settle on one."


def doc(n: int) -> Row:
    question = f"Jar {n} of the rack: which lid fits it?"
    return {
        "uid": f"jar/{n:03}",
        "group": f"rack {n // 2}",
        "question": question,
        "choices": ["red", "tan", "blue", "grey"],
    }


def prompt(n: int) -> str:
    lines = [f"{letter}) {text}" for letter, text in zip("ABCD", doc(n)["choices"], strict=True)]
    return "\n".join([doc(n)["question"], *lines, "End with 'ANSWER: $LETTER'."])


def lines(path: Path, rows: Sequence[Row], order: random.Random | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shuffled = [*rows]
    if order:
        order.shuffle(shuffled)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in shuffled), "utf-8")
    return path


def lm_eval(folder: Path, votes: Sequence[str], order: random.Random, task: str = "jars") -> Path:
    """Both filters, unsorted; with the results beside them."""
    rows = []
    for n, cast in enumerate(votes):
        for name in ("take", "vote"):
            said = cast[0] if name == "take" else max(sorted(set(cast), key=cast.index), key=cast.count)
            said = "[invalid]" if said == "-" else said
            rows.append({
                "doc_id": n, "doc": doc(n), "target": KEYS[n], "filter": name, "metrics": ["exact_match"],
                "arguments": {"gen_args_0": {"arg_0": [json.dumps([{"role": "user", "content": prompt(n)}])], "arg_1": {}}},
                "resps": [[reply(vote) for vote in cast]], "filtered_resps": [said], "doc_hash": f"{n:064}",
                "exact_match": float(said == KEYS[n]),
            })  # fmt: skip
    stamp = "2026-11-30T10-08-03.336698"
    filters = [{"name": "take", "filter": []}, {"name": "vote", "filter": []}]
    (folder / "jar-model").mkdir(parents=True, exist_ok=True)
    results = {"configs": {task: {"filter_list": filters}}, "higher_is_better": {task: {"exact_match": True}},
               "n-samples": {task: {"effective": len(votes)}}, "model_name": folder.name}  # fmt: skip
    (folder / "jar-model" / f"results_{stamp}.json").write_text(json.dumps(results))
    lines(folder / "jar-model" / f"samples_{task}_{stamp}.jsonl", rows, order)
    return folder


def lm_eval_old(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """As of 0.4.0: a list in one file, without filter, metrics and hashes, arguments as lists."""
    rows = [{
        "doc_id": n, "doc": doc(n), "target": KEYS[n], "arguments": [[prompt(n), {"until": []}]], "resps": [[reply(cast[0])]],
        "filtered_resps": [cast[0] if cast[0] != "-" else "[invalid]"], "exact_match": float(cast[0] == KEYS[n]),
    } for n, cast in enumerate(votes)]  # fmt: skip
    order.shuffle(rows)
    folder.mkdir(parents=True)
    (folder / "model_jars.jsonl").write_text(json.dumps(rows, indent=1))
    return folder / "model_jars.jsonl"


def inspect_log(votes: Sequence[str], epochs: int = 3, **log: Any) -> Row:
    samples = [{
        "id": n + 1, "epoch": epoch + 1, "input": [{"role": "user", "content": prompt(n)}], "target": [KEYS[n]],
        "metadata": {"group": doc(n)["group"]}, "output": {"completion": reply(cast[epoch])},
        "scores": {"choice": {"value": "C" if cast[epoch] == KEYS[n] else "I", "answer": cast[epoch].strip("-")}},
    } for epoch in range(epochs) for n, cast in enumerate(votes)]  # fmt: skip
    reduced = [
        {"sample_id": n + 1, "value": "CI"[[vote == KEYS[n] for vote in cast].count(True) * 2 < epochs]}
        for n, cast in enumerate(votes)
    ]
    reductions = [{"scorer": "choice", "reducer": "mode", "samples": reduced}]
    head = {"version": 2, "status": "success", "eval": {"task": "jars", "model": "m"}}
    return {**head, "samples": samples, "reductions": reductions, **log}


def inspect_json(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    log = inspect_log(votes)
    order.shuffle(log["samples"])
    folder.mkdir(parents=True)
    (folder / "2026-11-30T10-15-26_jars_x.json").write_text(json.dumps(log))
    return folder


def inspect_eval(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    log = inspect_log(votes)
    samples, reductions = log.pop("samples"), log.pop("reductions")
    order.shuffle(samples)
    folder.mkdir(parents=True)
    zips = _zipfile()
    with zips.ZipFile(folder / "jars.eval", "w", compression=zips.ZIP_ZSTANDARD) as packed:
        packed.writestr("_journal/start.json", json.dumps({"version": 2, "eval": log["eval"]}))
        for sample in samples:
            packed.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        packed.writestr("reductions.json", json.dumps(reductions))
        packed.writestr("header.json", json.dumps(log))
    return folder / "jars.eval"


def evalscope(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    rows = [{
        "index": n, "target": [KEYS[n]], "messages": [{"role": "user", "content": prompt(n)}],
        "sample_score": {"group_id": n, "generation_index": k, "sample_metadata": {"group": doc(n)["group"]}, "score": {
            "value": {"acc": float(vote == KEYS[n]), "length": 7}, "extracted_prediction": vote.strip("-"),
            "prediction": reply(vote), "main_score_name": "acc"}},
    } for n, cast in enumerate(votes) for k, vote in enumerate(cast)]  # fmt: skip
    lines(folder / "20261130_101500" / "reviews" / "m" / "general_mcq_jars.jsonl", rows, order)
    lines(
        folder / "20261130_101500" / "predictions" / "m" / "general_mcq_jars.jsonl", [{"index": 0, "model_output": {}}]
    )
    report = folder / "20261130_101500" / "reports" / "m" / "general_mcq.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"dataset_name": "general_mcq", "metrics": []}))
    return folder


def evalscope_old(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    rows = [{
        "index": n, "answer_id": f"answer-{n}", "raw_input": {"question": prompt(n), "group": doc(n)["group"]},
        "choices": [{"index": 0, "message": {"content": reply(cast[0])},
                     "review": {"gold": KEYS[n], "pred": cast[0].strip("-"), "result": int(cast[0] == KEYS[n])}}],
    } for n, cast in enumerate(votes)]  # fmt: skip
    lines(folder / "reviews" / "m" / "general_mcq_jars.jsonl", rows, order)
    return folder


def opencompass(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """The whole set three times over, as with n = 3."""
    asked = [(k, n) for k in range(3) for n in range(len(votes))]
    entries = {str(i): {"origin_prompt": [{"role": "HUMAN", "prompt": prompt(n)}], "prediction": reply(votes[n][k]), "gold": KEYS[n]}
               for i, (k, n) in enumerate(asked)}  # fmt: skip
    (folder / "predictions" / "m").mkdir(parents=True)
    (folder / "predictions" / "m" / "jars.json").write_text(json.dumps(entries))
    return folder


def opencompass_details(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Results whose details are a list, beside predictions."""
    details = [
        {"pred": cast[0].strip("-"), "answer": KEYS[n], "correct": cast[0] == KEYS[n]} for n, cast in enumerate(votes)
    ]
    for part in ("results", "predictions"):
        (folder / part / "m").mkdir(parents=True)
    (folder / "results" / "m" / "jars.json").write_text(json.dumps({"accuracy": 50.0, "details": details}))
    kept = {
        str(n): {"origin_prompt": prompt(n), "prediction": reply(cast[0]), "gold": KEYS[n]}
        for n, cast in enumerate(votes)
    }
    (folder / "predictions" / "m" / "jars.json").write_text(json.dumps(kept))
    return folder


def lighteval(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    rows = [{
        "doc": {"query": prompt(n), "choices": list("ABCD"), "gold_index": "ABCD".index(KEYS[n]), "id": str(n), "task_name": "jars"},
        "metric": {"extractive_match": int(cast[0] == KEYS[n])}, "model_response": {"text": [reply(cast[0])]},
    } for n, cast in enumerate(votes)]  # fmt: skip
    order.shuffle(rows)
    place = folder / "details" / "m" / "2026-11-30T10-15-00.000000"
    place.mkdir(parents=True)
    pl.DataFrame(rows).write_parquet(place / "details_community|jars|0_2026-11-30T10-15-00.000000.parquet")
    return folder


def llama_factory(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    rows = [{"prompt": f"<|im_start|>user\n{prompt(n)}<|im_end|>\n", "predict": reply(cast[0]), "label": f"So.\n\nANSWER: {KEYS[n]}"}
            for n, cast in enumerate(votes)]  # fmt: skip
    return lines(folder / "generated_predictions.jsonl", rows, order)


def ms_swift(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    rows = [{"response": reply(cast[0]), "labels": KEYS[n], "logprobs": None, "group": doc(n)["group"], "messages": [
        {"role": "user", "content": prompt(n)}, {"role": "assistant", "content": reply(cast[0])}]}
        for n, cast in enumerate(votes)]  # fmt: skip
    return lines(folder / "infer_result" / "20261130-101500.jsonl", rows, order)


def batch(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """`n` = 3 choices, in any order."""
    rows = [{"id": f"batch_{n}", "custom_id": doc(n)["uid"], "error": None, "response": {"status_code": 200, "body": {"choices": [
        {"index": k, "message": {"role": "assistant", "content": reply(vote)}} for k, vote in enumerate(cast)][::-1]}}}
        for n, cast in enumerate(votes)]  # fmt: skip
    return lines(folder / "out.jsonl", rows, order)


def responses(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Of the responses endpoint, whose output has parts that are no words."""
    rows = [{"custom_id": doc(n)["uid"], "response": {"status_code": 200, "body": {"output": [
        {"type": "reasoning", "summary": []}, {"type": "message", "content": [{"type": "output_text", "text": reply(cast[0])}]}]}}}
        for n, cast in enumerate(votes)]  # fmt: skip
    return lines(folder / "out.jsonl", rows, order)


def keys(folder: Path) -> Path:
    rows = [{"custom_id": doc(n)["uid"], "answer": key, "group": doc(n)["group"]} for n, key in enumerate(KEYS)]
    return lines(folder / "keys.jsonl", rows)


def own_rows(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    rows = [{"id": doc(n)["uid"], "group": doc(n)["group"], "gold": KEYS[n], "answer": None if cast[0] == "-" else cast[0].lower() + " "}
            for n, cast in enumerate(votes)]  # fmt: skip
    path = lines(folder / "rows.jsonl", rows, order)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    return path


def spreadsheet(folder: Path, votes: Sequence[str], order: random.Random) -> Path:
    """Numbers for letters, names that must be said, a row a repeat."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["No.", "Rack", "Right one", "Ticked"])
    rows = [
        (n, doc(n)["group"], "ABCD".index(KEYS[n]), "" if cast[0] == "-" else f"{'ABCD'.index(cast[0])}.0")
        for n, cast in enumerate(votes)
    ]
    order.shuffle(rows)
    table.writerows(rows)
    folder.mkdir(parents=True)
    (folder / "sheet.csv").write_bytes(b"\xef\xbb\xbf" + out.getvalue().encode())
    return folder / "sheet.csv"
