"""promote: the evaluations of a candidate and of the champion on one gate set -> is the candidate better?

    judge(home, candidate, champion)   receipts of `evaluate` -> `paired`, and what it was drawn from

Both were evaluated on the same questions, each against its own base; here the two stand against each other, by the
rule of `evals.verdict`. Without a champion it is the base that a candidate has to beat. Chats have no right answer
of their own: by a judge, each side is right where its reply was preferred to the base's; by loss, where the
reference is likelier under it than under the other.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from evals.verdict import verdict
from storage.home import Home
from storage.records import PonensError, Receipt
from tasks.clients.secrets import keyless
from tasks.kinds.paired_evaluations import answers
from tasks.kinds.registry import of_evaluation

SPLIT = "test"


class PromoteSpec(BaseModel):
    """What a new version must show before it becomes the champion. With it, a run ends in a promotion or a refusal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: str | list[str] = Field(
        SPLIT,
        description='What candidates are judged on: "test", the recipe\'s test split, or files kept for this alone, '
        "in any format that is read, relative to the recipe. Nothing in them is trained on.",
    )
    webhook: str | None = Field(
        None,
        pattern="^https?://",
        description="Where a new champion is posted as JSON; a secret address goes to PONENS_WEBHOOK.",
    )

    _keyless = field_validator("webhook")(keyless)


def judge(home: Home, candidate: Receipt, champion: Receipt | None) -> dict[str, Any]:
    """What the gate saw: `paired` of the candidate against the champion, or its base, and both accuracies.

    PonensError where the two cannot be compared, or an evaluation is gone.
    """
    mine, theirs = candidate.facts, champion.facts if champion else {}
    if champion is None:
        paired = {name: value for name, value in mine["paired"].items() if not name.endswith("_ids")}
    else:
        _comparable(candidate, champion)
        names = (str(theirs["adapter_name"]), str(mine["adapter_name"]))
        found = verdict(*answers(home, champion, candidate), names).paired()
        paired = {name: value for name, value in found.items() if not name.endswith("_ids")}
    return {
        "paired": paired,
        "questions": mine["questions"],
        "votes": mine["votes"],
        "accuracy": {
            "candidate": mine["adapter"]["accuracy"],
            "against": (theirs["adapter"] if champion else mine["base"])["accuracy"],
        },
        "evaluations": {one.facts["adapter_name"]: one.artifact for one in (candidate, champion) if one},
    }


def _comparable(candidate: Receipt, champion: Receipt) -> None:
    bases = {str(one.ingredients["inputs"]["base_model"]) for one in (candidate, champion)}
    if of_evaluation(candidate.facts).compared and len(bases) > 1:
        raise PonensError(
            "chats are judged against the base, and these two have different ones",
            seen=" and ".join(sorted(base[:16] for base in bases)),
            hint='promote it with --force --because "…" if you know that it is better',
        )
