"""The same votes counted by the model's confidence.

votes + mean log-probabilities ──weighted_majority──▶ winner

It keeps what `evals.vote` promises: abstentions never win, ties fall by its draw.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from evals.vote import majority


def weighted_majority(question_id: str, votes: Sequence[str | None], logprobs: Sequence[float | None]) -> str | None:
    """The answer whose votes weigh most; a vote weighs exp of its reply's mean log-probability a token.

    Wang et al. (2023), "Self-consistency improves chain of thought reasoning in language models",
    arXiv 2203.11171, section 3.1, the normalised weighted sum. `logprobs` go with `votes`, in nats, none
    above 0; a vote whose log-probability is None has no weight. None where no vote weighs anything.
    ValueError for other lengths or values. Neither order nor rounding decides a tie.
    """
    if len(votes) != len(logprobs):
        raise ValueError(f"{len(votes)} votes, {len(logprobs)} log-probabilities")
    if odd := [p for p in logprobs if p is not None and not p <= 0]:
        raise ValueError(f"mean log-probability {odd[0]}; expected at most 0")
    weights: dict[str, list[float]] = defaultdict(list)
    for vote, logprob in zip(votes, logprobs, strict=True):
        if vote is not None and logprob is not None:
            weights[vote].append(math.exp(logprob))
    sums = {answer: math.fsum(parts) for answer, parts in weights.items()}
    most = max(sums.values(), default=0.0)
    if most == 0:
        return None
    return majority(question_id, {a: 1 for a, w in sums.items() if math.isclose(w, most, rel_tol=1e-12)})
