"""The published ways to compare two results, by their own rules.

ex           BIRD: equal sets of rows; columns in the reference's order, rows in any; numbers exactly
test-suite   Spider's test suite: DISTINCT is cut from both queries; bags of rows, in order where "order by" stands
             anywhere in the reference; one order of columns; numbers exactly

Sources: bird-bench/mini_dev `evaluation_ex.py`; taoyds/test-suite-sql-eval `exec_eval.py`, as run by default
(without --plug_value and --keep_distinct).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from evals.scorers.execution.results import Rows, arrangements

_PIECE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\w+|.", re.DOTALL)
_SPACED = {"> =": ">=", "< =": "<=", "! =": "!="}


def ex(gold: Rows, rows: Rows) -> bool:
    """Whether both hold the same rows, however often each."""
    return {tuple(row) for row in gold} == {tuple(row) for row in rows}


def test_suite(gold: Rows, rows: Rows, *, ordered: bool) -> bool:
    """Whether both hold the same rows equally often under one order of the columns, in order if that is asked for."""
    if not gold and not rows:
        return True
    if len(gold) != len(rows) or len(gold[0]) != len(rows[0]):
        return False
    expected = [tuple(row) for row in gold]
    counted = Counter(expected)
    for order in _orders(gold, rows):
        permuted = [tuple(row[i] for i in order) for row in rows]
        if permuted == expected if ordered else Counter(permuted) == counted:
            return True
    return False


def asks_for_order(gold: str) -> bool:
    """Whether the test suite compares in order."""
    return "order by" in gold.lower()


def without_distinct(sql: str) -> str:
    """The query as the test suite runs it: without DISTINCT, comparison signs without spaces in them.

    >>> without_distinct("SELECT count(DISTINCT a) FROM t WHERE b = 'distinct' AND c > = 1")
    "SELECT count( a) FROM t WHERE b = 'distinct' AND c >= 1"
    """
    for spaced, sign in _SPACED.items():
        sql = sql.replace(spaced, sign)
    return "".join(piece for piece in _PIECE.findall(sql) if piece.lower() != "distinct")


def _orders(gold: Rows, rows: Rows) -> Iterator[tuple[int, ...]]:
    """Orders of the columns of `rows` in which each column holds what the reference's does; at most 10,000."""
    ours, theirs = list(zip(*gold, strict=True)), list(zip(*rows, strict=True))
    return islice(arrangements([[j for j, b in enumerate(theirs) if Counter(a) == Counter(b)] for a in ours]), 10_000)
