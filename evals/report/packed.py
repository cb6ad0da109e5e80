"""Every question with its replies, small enough to travel inside the page: JSON, gzip, base64.

    packed(questions)     the text that `report.js` unpacks, and in words what had to be left out

Each row is a `QuestionFacts` with a language; `base`, `adapter` and `others` are in one list, `subjects`.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

from evals.report.facts import QuestionFacts, ReplyFacts
from storage.records import language_of

LARGEST = 4_000_000  # bytes of embedded, compressed questions
LONGEST = 4_000  # characters of a reply
# What is left out until the table is small enough; both right is what people read least.
_WITHOUT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ()),
    ("sampled replies of questions that both sides got right", ("both right",)),
    ("sampled replies", ("both right", "both wrong", "fixed", "broken")),
)


def packed(questions: Sequence[QuestionFacts]) -> tuple[str, str]:
    """The questions as gzip and base64, and what was left out to keep the page small, in words."""
    text = left_out = ""
    for left_out, without in _WITHOUT:  # noqa: B007  (returned below)
        rows = [_row(q, samples=q["change"] not in without) for q in questions]
        found = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        # mtime 0: the same facts must give the same bytes.
        text = base64.b64encode(gzip.compress(found.encode("utf-8", "replace"), 9, mtime=0)).decode()
        if len(text) <= LARGEST:
            break
    return text, left_out


def cut(text: str) -> str:
    """Text at a length that a page can bear: its start and its end, where an answer stands."""
    return _cut(text, None)[0]


def _row(question: QuestionFacts, *, samples: bool) -> dict[str, Any]:
    text = question["problem"] + question["question"] + "".join(question["options"])
    shown = {key: value for key, value in question.items() if key not in ("base", "adapter", "others")}
    replies = [question["base"], question["adapter"], *question["others"].values()]
    return {**shown, "language": language_of(text), "subjects": [_reply(one, samples=samples) for one in replies]}


def _reply(reply: ReplyFacts, *, samples: bool) -> dict[str, Any]:
    said = zip(reply["texts"], reply["at"], strict=True) if samples and reply["texts"] else ()
    texts = [_cut(text, at) for text, at in said]
    greedy, greedy_at = _cut(reply["greedy_text"], reply["greedy_at"])
    own = {"greedy_text": greedy, "greedy_at": greedy_at, "texts": [t for t, _ in texts], "at": [at for _, at in texts]}
    return {**reply, **own}


def _cut(text: str, at: Sequence[int] | None) -> tuple[str, list[int] | None]:
    """The text without its middle where it is too long, and the place in it, None if that is gone."""
    place = None if at is None else list(at)
    if (more := len(text) - LONGEST) <= 0:
        return text, place
    half = LONGEST // 2
    gap = f" … [{more} more] … "
    moved = len(gap) - more
    if place is not None and place[1] > half:
        place = [one + moved for one in place] if place[0] >= half + more else None
    return text[:half] + gap + text[half + more :], place
