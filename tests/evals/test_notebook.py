"""Two frames in a notebook: the verdict of their rows, as a table and a picture."""

from xml.etree import ElementTree

import pandas as pd
import polars as pl
import pytest

from evals import verdict
from storage.records import UsageError

ROWS = [{"q": n, "p": n // 2, "key": "A", "said": "A" if n < 9 else None} for n in range(20)]
BETTER = [{**row, "said": "A"} for row in ROWS]
NAMED = {"id": "q", "gold": "key", "answer": "said", "group": "p"}


@pytest.mark.parametrize("frame", [pl.DataFrame, pd.DataFrame, list])
def test_a_frame_of_any_kind_gives_the_verdict_of_its_rows(frame):
    v = verdict.frames(frame(ROWS), frame(BETTER), **NAMED)

    assert ("better", 20, 10, 11, 11 / 20) == (v.word, v.questions, v.problems, len(v.fixed), v.base.unreadable)
    scores = [{"id": n, "f1": n / 20} for n in range(20)]
    assert "sign-flip" == verdict.frames(frame(scores), frame(scores), score="f1").test


def test_a_verdict_shows_itself_as_a_table_and_a_picture():
    v = verdict.frames(ROWS, BETTER, **NAMED)
    shown, picture = v._repr_html_(), ElementTree.fromstring(v.plot())

    for words in ("better</b>", "+55.0", "45.0 %", "100.0 %", v.reason):
        assert words in shown
    assert 1 == len(picture.findall("{*}circle"))
    assert "+55.0 better" in v.plot()._repr_svg_()


def test_columns_that_are_not_there_are_named():
    with pytest.raises(UsageError, match="the columns id, gold, answer") as caught:
        verdict.frames(pl.DataFrame(ROWS), pl.DataFrame(ROWS))
    assert "'q'" in str(caught.value)
