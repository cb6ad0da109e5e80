"""Options read back from a question that is one text."""

import pytest

from prompts import choice
from prompts.lettered import options_of
from storage.records import Question


def test_what_the_prompt_writes_is_read_back() -> None:
    question = Question("A. B said so.\nB) is no option.", "Who?", ("Mia", "Tom (A)", "C) D"))

    assert question.options == options_of(choice.body(question))
    assert question.options == options_of(choice.solve(question)[0].content)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who?\n(A) Mia\n(B) Tom", ("Mia", "Tom")),
        ("谁？\nA．甲\nB、乙\nC：丙", ("甲", "乙", "丙")),
        ("A) one\nB) two\n\nWhich?\nA) x\nB) y\nD) skipped", ("x", "y")),
        ("No options here.", ()),
        ("A) alone", ()),
        (
            "\n".join(f"{letter}) {letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        ),
    ],
)
def test_other_ways_to_write_them(text: str, expected: tuple[str, ...]) -> None:
    assert expected == options_of(text)
