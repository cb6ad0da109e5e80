"""How alike two texts are, by sacreBLEU, so that the numbers are those that others report.

chrF: Popović (2015), "chrF: character n-gram F-score for automatic MT evaluation", WMT; n up to 6, beta 2,
white space ignored. BLEU: Papineni et al. (2002), for a sentence: exponential smoothing, effective order
(Chen and Cherry, 2014). Both as sacreBLEU (Post, 2018) computes them, divided by 100.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any


@functools.cache
def _metrics() -> tuple[Any, Any]:
    # half a second to import: only who scores waits for it
    from sacrebleu.metrics import BLEU, CHRF

    return CHRF(), BLEU(tokenize="none", force=True, effective_order=True)


def chrf(text: str, reference: str) -> float:
    """Character n-gram F2 score in [0, 1]; 1 for equal texts, and for two texts of nothing but white space."""
    if text.split() == reference.split():
        return 1.0
    return _share(_metrics()[0].sentence_score(text, [reference]).score)


def bleu(tokens: Sequence[str], reference: Sequence[str]) -> float:
    """BLEU-4 of one sentence of tokens in [0, 1]; 1 for equal sequences. Tokens hold no white space."""
    if tokens == reference:
        return 1.0
    return _share(_metrics()[1].sentence_score(" ".join(tokens), [" ".join(reference)]).score)


def _share(score: float) -> float:
    return min(max(score / 100, 0.0), 1.0)
