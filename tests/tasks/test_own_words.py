"""A recipe's own words: what they make of each prompt, that replies to them are read, and what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from prompts import assignment, choice, sql
from prompts.choice import HOUSE, Choice
from prompts.turns import placed
from storage.dialogues import Kind
from storage.records import Message, Question, UsageError
from tasks.kinds.own_words import PromptSpec, prompt_of
from tasks.kinds.registry import KINDS
from tests.dialogues import query

EN = Question("Mia is left of Tom.", "Who sits left?", ("Mia", "Tom", "Rik"), "B")
ZH = Question("米亚坐在汤姆左边。", "谁坐在左边？", ("米亚", "汤姆"), "A")


def words(kind: Kind = "choice", **spec: Any) -> Any:
    return prompt_of(PromptSpec(**spec), kind)[0]


def said(messages: list[Message]) -> str:
    [message] = messages
    return message.content


def test_without_a_word_of_ones_own_every_prompt_is_the_house_s() -> None:
    assert HOUSE == words()
    assert {} == words().settings
    assert "choice/2" == words().VERSION
    assert all(KINDS[kind].prompt is words(kind) for kind in ("sql", "proof", "assignment", "chat", "instruction"))
    assert (
        "Mia is left of Tom.\n\nWho sits left?\nA) Mia\nB) Tom\nC) Rik\n\nTake whatever is not stated as false. "
        'Reason step by step and end with the line "Answer: X".' == said(HOUSE.solve(EN))
    )
    assert said(HOUSE.explain(ZH)).endswith(
        "未说明的一律视为假。只依据题文逐步推理，逐一检验选项，行文如同事先不知道答案。"
        "参考答案是 A；若你的推理得出别的结论，以推理为准。最后一行写“答案：X”。"
    )


def test_an_instruction_stands_in_place_of_the_house_s_words_and_of_the_closed_world() -> None:
    own = words(instruction="Think as a physician would")

    assert said(own.solve(EN)).endswith('C) Rik\n\nThink as a physician would. End with the line "Answer: X".')
    assert said(own.solve(ZH)).endswith("Think as a physician would。最后一行写“答案：X”。")
    assert "not stated" not in said(own.explain(EN))
    assert "The key is B; if your own reasoning leads elsewhere" in said(own.explain(EN))
    assert "B;" not in said(own.solve(EN))


@pytest.mark.parametrize(
    "spec, closed",
    [
        ({}, True),
        ({"closed_world": False}, False),
        ({"instruction": "Think."}, False),
        ({"instruction": "Think.", "closed_world": True}, True),
        ({"answer_line": "Final answer: X"}, True),
        ({"instruction": {"zh": "想一想。"}}, True),
    ],
)
def test_the_closed_world_is_said_where_it_is_wanted_and_never_beside_ones_own_words_unasked(
    spec: dict[str, Any], closed: bool
) -> None:
    for messages in (words(**spec).solve(EN), words(**spec).explain(EN)):
        assert closed is ("Take whatever is not stated as false. " in said(messages))


LINES = ["Final answer: X", "The answer is X.", "\\boxed{X}", "**Answer: X**", "Answer: (X)", "Answer: option X",
         "答案：X", "最终答案：X", "所以选X。", "答案是 X", "正确答案为X", "<answer>X</answer>"]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_every_letter_is_read_back_from_the_answer_line_that_the_prompt_asked_for(line: str) -> None:
    own = words(answer_line=line)
    for question in (EN, ZH):
        assert line in said(own.solve(question)) and line in said(own.explain(question))
        for letter in question.letters:
            ended = own.ended(question.language, letter)
            for reply in (ended, f"Let us see.\n\n{ended}\n", f"<think>A or B?</think>\n{ended}"):
                assert letter == choice.read(reply, question).answer, reply
        start, letters = own.forced(question), own.letters(question)
        assert all(
            own.ended(question.language, a).startswith(start + way)
            for a, way in zip(question.letters, letters, strict=True)
        )
        assert not start.endswith(" ")


@pytest.mark.parametrize(
    "line, why",
    [
        ("Answer:", "0 X for the letter"),
        ("Answer: X or X", "2 X for the letter"),
        ("X", "words before the X"),
        ("My guess, X, is it", "the parser reads"),
        ("not X", "the parser reads"),
        ("Answer:\nX", "expected one line"),
        (" ", "empty text"),
        ("Answer: X {key}", "no place here"),
    ],
)
def test_an_answer_line_that_cannot_be_read_back_is_refused(line: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PromptSpec(answer_line=line)


def test_words_are_told_apart_by_their_version_and_held_by_settings_and_facts() -> None:
    one, other = words(instruction="Think."), words(instruction="Think!")

    assert one.VERSION != other.VERSION
    assert one.VERSION.startswith("choice/2+")
    assert one == Choice.of(json.loads(json.dumps(one.settings)))
    assert HOUSE == Choice.of({})


def write(file: Path, rows: Any) -> str:
    file.write_text(rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


SOLVED = [{"passage": "Rik is old.", "question": "Who is old?", "options": ["Rik", "Mia"], "answer": "A"}]
WRITTEN = [{"question": "Who is old?\nA) Rik\nB) Mia", "answer": "It says so.\nAnswer: A"}]


@pytest.mark.parametrize("rows, answer", [(SOLVED, "Answer: A"), (WRITTEN, "It says so.\nAnswer: A")])
def test_solved_examples_stand_before_each_question(rows: Any, answer: str, tmp_path: Path) -> None:
    own = words(few_shot=write(tmp_path / "few.jsonl", rows))
    asked = said(own.solve(EN))

    assert asked.startswith("Solved examples:\n\n")
    assert f"Who is old?\nA) Rik\nB) Mia\n\n{answer}\n\nNow this one:\n\nMia is left of Tom." in asked
    assert asked.endswith(said(HOUSE.solve(EN)))
    assert asked == placed(own.TEMPLATE["en"], choice.body(EN))


@pytest.mark.parametrize(
    "rows, said_of",
    [
        ([{"question": "Who?", "answer": "Answer: A"}], "without lettered options"),
        ([{"question": "Who?\nA) Rik\nB) Mia", "answer": "Rik"}], "answer line that the prompt asks for"),
        ([{"question": "Who?\nA) Rik\nB) Mia", "answer": "Final answer: A"}], "such as 'Answer: A'"),
        ([{"question": "Who?\nA) Rik\nB) {key}", "answer": "Answer: A"}], "no place in an example"),
        ([{"question": "", "answer": "Answer: A"}], "none of them empty"),
        ([{"question": "a", "answer": "b", "more": 1}] * 3, "few.jsonl"),
        ("{torn", "few.jsonl"),
        (SOLVED * 65, "65 examples"),
    ],
)
def test_examples_that_do_not_answer_as_the_prompt_asks_are_refused(rows: Any, said_of: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said_of):
        words(few_shot=write(tmp_path / "few.jsonl", rows))


def test_a_template_of_ones_own_places_question_options_and_answer_line(tmp_path: Path) -> None:
    text = (
        "{% if language == 'zh' %}请答题。{% else %}A riddle.{% endif %}\n"
        "Choices:\n{{ options }}\nQuestion: {{ question }}\n{{ answer_line }}"
    )
    own = words(file=write(tmp_path / "p.jinja", text), answer_line="Final answer: X")

    assert (
        "A riddle.\nChoices:\nA) Mia\nB) Tom\nC) Rik\nQuestion: Mia is left of Tom.\n\nWho sits left?\nFinal answer: X"
        == said(own.solve(EN))
    )
    assert said(own.solve(ZH)).startswith("请答题。")
    assert said(own.explain(EN)).startswith(
        said(own.solve(EN)) + "\n\nWrite as if you had not been told the key. The key is B;"
    )


def test_options_right_below_the_question_need_no_place_of_their_own(tmp_path: Path) -> None:
    own = words(file=write(tmp_path / "p.jinja", "{{ question }}\n{{ options }}\n\nEnd with {{ answer_line }}"))

    assert {"en": "{question}\n\nEnd with Answer: X", "zh": "{question}\n\nEnd with 答案：X"} == own.TEMPLATE


@pytest.mark.parametrize(
    "text, why",
    [
        ("{{ options }} {{ answer_line }}", "no {{ question }}"),
        ("{{ question }} {{ answer_line }}", "no {{ options }}"),
        ("hello", "no {{ question }} and no {{ options }}"),
        ("{{ question }} {{ options }} {{ answer_line }} {{ hint }}", "unknown hint"),
        ("{{ question }} {{ options }}", "no answer line"),
        ("{{ question }} {{ question }} {{ options }} {{ answer_line }}", "2 places for the question"),
        ("{{ question | upper }} {{ options }} {{ answer_line }}", "places for the question|computes"),
        ("{% if 'Mia' in options %}x{% endif %}{{ question }} {{ options }} {{ answer_line }}", "computes"),
        ("{{ question }", "line 1"),
        ("{{ question.__class__.__mro__ }} {{ options }} {{ answer_line }}", "places for the question|SecurityError"),
        ("{% include 'x' %}{{ question }} {{ options }} {{ answer_line }}", "TypeError|include"),
        ("{question} {{ question }} {{ options }} {{ answer_line }}", "two braces"),
        ("{{ 1 / 0 }} {{ question }} {{ options }} {{ answer_line }}", "ZeroDivisionError"),
    ],
)
def test_a_template_that_is_no_prompt_is_refused_with_what_is_wrong(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=why):
        words(file=write(tmp_path / "p.jinja", text))


def test_a_template_beside_other_words_is_refused_and_so_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="leave instruction out"):
        PromptSpec(file="p.jinja", instruction="Think.")
    with pytest.raises(UsageError, match="cannot be read"):
        words(file=str(tmp_path / "none.jinja"))
    with pytest.raises(UsageError, match="cannot be read"):
        words(few_shot=str(tmp_path / "none.jsonl"))


@pytest.mark.parametrize("kind, house", [("sql", sql), ("assignment", assignment)])
def test_other_kinds_are_asked_in_ones_own_words_and_read_by_the_house(kind: Kind, house: Any, tmp_path: Path) -> None:
    rows = [{"question": "How many lamps?", "answer": "SELECT 1" if kind == "sql" else "(1) Mia is a knight"}]
    own = words(kind, instruction="Reply with SQL.", few_shot=write(tmp_path / "few.jsonl", rows))
    dialogue = query("How many of 1?", "SELECT 2", db_id="m")

    asked = own.ask(dialogue)[-1].content
    assert asked.startswith(f"Solved examples:\n\nHow many lamps?\n\n{rows[0]['answer']}\n\nNow this one:\n\n")
    assert asked.endswith(dialogue.messages[-2].content + "\n\nReply with SQL.")
    assert own.read("```\nSELECT 3\n```") == house.read("```\nSELECT 3\n```")
    assert own.VERSION.startswith(house.VERSION + "+")
    assert isinstance(own.TEMPLATE, Mapping)
