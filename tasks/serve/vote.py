"""The voted answer: several replies to one question, read, counted, and the winner's first reply given.

body with {"ponens": {"votes": 5}} ──engine, n = 5──▶ replies ──read, count──▶ one choice and the ballot
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.vote import count
from prompts import choice
from prompts.lettered import options_of
from storage.records import LETTERS, Question
from tasks.serve.errors import Refusal
from tasks.serve.model import Model

HEAT = 0.7  # as an evaluation draws its votes


def asked(model: Model, text: str, body: Mapping[str, Any]) -> Question:
    """The question that is voted on. Refusal 400 if it is none with lettered options."""
    if body.get("stream"):
        raise Refusal(400, "a vote is counted when all replies are there: it cannot be streamed", param="stream")
    if body.get("n") not in (None, 1):
        raise Refusal(400, "ponens.votes says how many replies are drawn: leave n out", param="n")
    options = options_of(text)
    if not model.choice or not 2 <= len(options) <= len(LETTERS):
        said = "a vote needs a question with options, one a line: A) …, B) …"
        raise Refusal(400, said, code="no_options", param="messages")
    return Question(text, "", options)


def drawn(body: dict[str, Any], model: Model, given: Mapping[str, Any], votes: int) -> dict[str, Any]:
    """The engine's request with so many replies, drawn as in an evaluation unless the client says how."""
    heat = {"temperature": HEAT} if given.get("temperature") is None else {}
    return {**body, **heat, "n": votes}


def counted(reply: dict[str, Any], question: Question) -> dict[str, Any]:
    """The chat completion with one choice, a reply that voted for the winner, and the ballot beside it."""
    choices: Sequence[dict[str, Any]] = sorted(reply["choices"], key=lambda c: int(c["index"]))
    readings = [
        choice.read(c["message"].get("content") or "", question, cut=c["finish_reason"] == "length") for c in choices
    ]
    ballot = count(question, [reading.answer for reading in readings])
    elected = next((i for i, vote in enumerate(ballot.votes) if vote == ballot.winner), 0)
    replies = [
        {
            "text": c["message"].get("content") or "",
            "answer": reading.answer,
            "extractor": reading.extractor,
            "finish_reason": c["finish_reason"],
        }
        for c, reading in zip(choices, readings, strict=True)
    ]
    told = {
        "answer": ballot.winner,
        "votes": list(ballot.votes),
        "tally": dict(ballot.tally),
        "abstained": ballot.votes.count(None),
        "replies": replies,
    }
    return {**reply, "choices": [{**choices[elected], "index": 0}], "ponens": told}
