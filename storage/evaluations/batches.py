"""Outputs of OpenAI's batch API and of vLLM's `run-batch`: a line a request, in any order, keys in a file of their own.

    keys.jsonl    {"custom_id": …, "answer": …, "group": …}      a row for each request; other names of columns do too

A request that failed or expired is an item without an answer. `n` choices are repeats. Chat completions, completions,
responses, and Anthropic's batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.evaluations.files import Opened
from storage.evaluations.items import Choice, Item, Reply, Task, text
from storage.records import UsageError

TOOL = "batch"


def is_it(file: Opened) -> bool:
    """Whether the file is of this tool."""
    first = file.first
    return isinstance(first, dict) and "custom_id" in first and ("response" in first or "result" in first)


def is_request(file: Opened) -> bool:
    """Whether it is what was sent: requests, no replies."""
    first = file.first
    return isinstance(first, dict) and {"custom_id", "body"} <= first.keys()


def read(files: list[Opened], choice: Choice) -> Task:
    """One task of all files together: outputs, and the errors that lie in a file of their own."""
    by_id: dict[str, Item] = {}
    failed: dict[str, str] = {}
    for file in files:
        for line, row in file.rows():
            where = f"{file.path}, line {line}"
            if not isinstance(row, dict) or not isinstance(row.get("custom_id"), (str, int)):
                raise UsageError(where, seen=str(row)[:80], expected="a row with custom_id and response")
            id, texts = str(row["custom_id"]), _texts(row)
            if not texts:
                failed.setdefault(id, _why(row))
            elif id in by_id:
                raise UsageError(
                    where,
                    seen=f"custom_id {id!r} a second time",
                    expected="each request once",
                    hint="several replies to a request are choices of one row: `n`",
                )
            else:
                by_id[id] = Item(len(by_id), id=id, texts=texts)
    task = Task("", list(by_id.values()))
    lost = {id: why for id, why in failed.items() if id not in by_id}
    task.items += [Item(len(by_id) + n, id=id, replies=[Reply(failed=why)]) for n, (id, why) in enumerate(lost.items())]
    if lost:
        task.notes.append(f"{len(lost)} requests failed ({next(iter(lost.values()))}); they count as without an answer")
    return task


def _texts(row: Mapping[str, Any]) -> list[str]:
    """The replies of a request; none if it failed."""
    response, result = row.get("response"), row.get("result")
    if isinstance(result, dict):
        return [text(result.get("message"))] if result.get("type") == "succeeded" else []
    if not isinstance(response, dict) or row.get("error") or response.get("status_code", 200) != 200:
        return []
    body = response.get("body")
    if not isinstance(body, dict):
        return []
    if isinstance(body.get("choices"), list):
        choices = [one for one in body["choices"] if isinstance(one, dict)]
        choices.sort(key=lambda one: one["index"] if isinstance(one.get("index"), int) else 0)
        return [
            text(one["message"]) if isinstance(one.get("message"), dict) else text(one.get("text")) for one in choices
        ]
    output = body.get("output")
    spoken = (
        [one for one in output if isinstance(one, dict) and one.get("type") == "message"]
        if isinstance(output, list)
        else []
    )
    return [text(spoken)] if spoken else []


def _why(row: Mapping[str, Any]) -> str:
    for part in (row.get("error"), row.get("response"), row.get("result")):
        if isinstance(part, dict):
            body = part.get("body")
            inner = body if isinstance(body, dict) else part
            error = inner.get("error")
            inner = error if isinstance(error, dict) else inner
            said = next((inner[name] for name in ("code", "type", "message", "status_code") if inner.get(name)), None)
            if said:
                return str(said)[:80]
    return "no response"
