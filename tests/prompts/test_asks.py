"""What is asked below a user's own words, and what is read from a reply."""

from types import SimpleNamespace
from typing import Any

import pytest

from prompts import assignment, instruction, sql, statement
from storage.records import Message


def asking(*turns: str, task: str = "chat", **about: Any) -> Any:
    roles = ("user", "assistant")
    return SimpleNamespace(
        messages=[Message(roles[n % 2], turn) for n, turn in enumerate(turns)], task=task, about=about
    )


@pytest.mark.parametrize(
    ("prompt", "asked", "answer", "words"),
    [
        (sql, "CREATE TABLE t (a TEXT)\n\nHow many?", "SELECT 1", "one SQL query"),
        (sql, "CREATE TABLE t (a TEXT)\n\n有多少？", "SELECT 1", "一条针对这些表的 SQL 查询"),
        (statement, "Prove that 1 = 1.", "theorem t : 1 = 1 :=", "Lean theorem"),
        (statement, "证明 1 = 1。", "theorem t : 1 = 1 :=", "Lean 定理"),
        (assignment, "Ann says: Bo lies.", "(1) Ann is a knave", "a line for each inhabitant"),
        (assignment, "小月说：小川是无赖。", "(1) 小月是无赖", "每个居民写一行"),
    ],
)
def test_the_users_words_stand_first_and_the_answer_is_not_among_them(prompt, asked, answer, words):
    [message] = prompt.ask(asking(asked, answer))

    assert message.role == "user"
    assert message.content.startswith(f"{asked}\n\n")
    assert words in message.content.removeprefix(asked)
    assert answer not in message.content


def test_the_language_is_that_of_the_turns_and_not_of_the_answer() -> None:
    [message] = instruction.ask(asking("Good day.", "你好", task="translation", source="en", target="zh"))

    assert message.content == "Good day.\n\nTranslate this text from en to zh. Answer with the translation alone."


def test_a_chat_is_asked_in_its_own_words_and_its_marks_stay() -> None:
    chat = asking("a", "b", "c", "d")
    chat.messages[1] = Message("assistant", "b", train=False)

    assert instruction.ask(chat) == chat.messages[:3]


def test_only_the_last_turn_is_asked_of() -> None:
    found = sql.ask(asking("a", "b", "c", "d"))

    assert [m.content for m in found[:2]] == ["a", "b"]
    assert found[2].content.startswith("c\n\n")


@pytest.mark.parametrize(
    ("task", "asked", "about", "words"),
    [
        ("translation", "Good day.", {}, "Translate this text. "),
        ("classification", "Good day.", {}, "label alone"),
        ("summary", "很长的文章。", {}, "概括"),
        ("tagging", "Ann sleeps", {}, "a tab, its label"),
        ("triples", "Ann knows Bo.", {"triples": [["Ann", "knows", "Bo"]]}, "head | relation | tail"),
        ("triples", "Ann | knows", {"triples": [["Ann", "knows", "Bo"]]}, "tail alone"),
    ],
)
def test_a_bare_text_is_asked_of_with_words_of_its_task(task, asked, about, words):
    [message] = instruction.ask(asking(asked, "x", task=task, **about))

    assert words in message.content
    assert "{" not in message.content


@pytest.mark.parametrize(
    ("reply", "query"),
    [
        ("SELECT 1", "SELECT 1"),
        ("So:\n```sql\nSELECT a\nFROM t;\n```\nDone.", "SELECT a\nFROM t"),
        ("```\nSELECT 1\n```\nor rather\n```sql\nSELECT 2\n```", "SELECT 2"),
        ("```sql\nSELECT 1", "SELECT 1"),
        ("The query:\nWITH x AS (SELECT 1) SELECT * FROM x;\nIt counts.", "WITH x AS (SELECT 1) SELECT * FROM x"),
        ("<think>SELECT 0</think>\nselect 1", "select 1"),
        ("I do not know.", "I do not know."),
        ("<think>SELECT 1", None),
        (" \n", None),
    ],
)
def test_a_query_is_read(reply, query):
    assert sql.read(reply).text == query


@pytest.mark.parametrize(
    ("reply", "formal"),
    [
        ("theorem a : 1 = 1 :=", "theorem a : 1 = 1 :="),
        ("Here it is:\n```lean\nlemma a\n  (x : ℕ) : x = x :=\n```", "lemma a\n  (x : ℕ) : x = x :="),
        ("In Lean:\nexample : 1 = 1 :=", "example : 1 = 1 :="),
        ("1 = 1", "1 = 1"),
        ("", None),
    ],
)
def test_a_statement_is_read(reply, formal):
    assert statement.read(reply).text == formal


def test_an_answer_is_read_without_its_thoughts() -> None:
    assert instruction.read("<think>hm</think> ```x``` yes ").text == "```x``` yes"
    assert instruction.read("<think>hm").text is None


@pytest.mark.parametrize(
    ("reply", "lines"),
    [
        ("Ann cannot lie.\n\n(1) Ann is a knight\n(2) Bo is a knave", "(1) Ann is a knight\n(2) Bo is a knave"),
        ("1. Assume Ann lies.\n2. Then so does Bo.\nCONCLUSION:\n1. Ann is a knight.", "1. Ann is a knight."),
        ("1) Ann lies? No.\n**(1) Ann is a knight**\n- (2) Bo lies\nSo.", "**(1) Ann is a knight**\n- (2) Bo lies"),
        ("推理。\n结论：\n（1）小月是武士\n（2）小川是无赖", "（1）小月是武士\n（2）小川是无赖"),
        ("Let us see.\nAnn is a knight and Bo is a knave.", "Ann is a knight and Bo is a knave."),
        ("<think>(1) Ann is a knave</think>(1) Ann is a knight", "(1) Ann is a knight"),
        ("<think>(1) Ann is a knave", None),
    ],
)
def test_the_last_numbered_list_says_who_is_which(reply, lines):
    assert assignment.read(reply).text == lines


NOTES = [
    ("(1) Ann is a knight\n(2) Bo is a knave\n\nNote:\n1. Clue 3 is not needed.\n2. Nor is clue 4.", "(1) Ann is a knight\n(2) Bo is a knave"),
    ("(1) Ann is a knight\n(2) Bo is a knave\n\nCheck:\n1. If Ann were a knave, clue 1 would fail.", "(1) Ann is a knight\n(2) Bo is a knave"),
    ("(1) Ann is a knight\n(2) Bo is a knave\n\nUser: next one\nAssistant:\n(1) Cy is a knave", "(1) Ann is a knight\n(2) Bo is a knave"),
    ("(1) Ann is a knight<|im_end|>\n<|im_start|>user\n(1) Ann is a knave", "(1) Ann is a knight"),
    ("(1) Ann is a knight\n\n### Problem 2\n(1) Ann is a knave", "(1) Ann is a knight"),
    ("(1) Ann is a knight\n\n---\n\nCy and Dee meet. Who is who?\n\n(1) Cy is a knave", "(1) Ann is a knight"),
    ("So Ann: knight\nBo: knave\n\nThat is all.", "So Ann: knight\nBo: knave"),
    ("（1）小月是武士\n（2）小川是无赖\n\n说明：\n1. 若小月是无赖，则矛盾。", "（1）小月是武士\n（2）小川是无赖"),
    ("（1）小月是武士\n\n题目二：\n（1）小月是无赖", "（1）小月是武士"),
    ("Wait, I erred.\n(1) Ann is a knight\nNo:\n(1) Ann is a knave", "(1) Ann is a knave"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "lines"), NOTES)
def test_a_note_or_an_invented_puzzle_behind_the_roles_does_not_replace_them(reply, lines):
    assert assignment.read(reply).text == lines


@pytest.mark.parametrize(
    ("reply", "formal"),
    [
        ("theorem a : 1 = 1 :=\n\nUser: another\ntheorem b : 2 = 2 :=", "theorem a : 1 = 1 :="),
        ("```lean\ntheorem a : 1 = 1 :=\n```\n\n## Problem 2\n```lean\ntheorem b : 2 = 2 :=\n```", "theorem a : 1 = 1 :="),
        ("```lean\ntheorem a : 1 = 1 :=\n```\nOutput:\n```\nno goals\n```", "theorem a : 1 = 1 :="),
        ("theorem a : 1 = 1 :=<|eot_id|>theorem b : 2 = 2 :=", "theorem a : 1 = 1 :="),
    ],
)  # fmt: skip
def test_a_statement_is_read_from_before_what_is_invented(reply, formal):
    assert statement.read(reply).text == formal


def test_a_statement_without_its_end_is_not_whole() -> None:
    assert statement.read("theorem a : 1 = 1 := by").whole
    assert not statement.read("theorem a : 1 =").whole


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("42\n\nUser: And 6 times 8?\nAssistant: 48", "42"),
        ("42<|im_end|>\n<|im_start|>user\n6*8?", "42"),
        ("42\n\n### Instruction:\nAdd them.", "42"),
        ("42\n\nQuestion: 6*8?\nAnswer: 48", "42"),
        ("Bonjour.\nHuman: Thanks", "Bonjour."),
        ("你好。\n用户：谢谢\n助手：不客气", "你好。"),
        ("你好。\n\n问：六乘八？\n答：四十八", "你好。"),
        ("Here is a dialogue:\nUser: hi\nAssistant: hello", "Here is a dialogue:\nUser: hi\nAssistant: hello"),
        ("User: hi\nAssistant: hello", "User: hi\nAssistant: hello"),
        ("Rain falls.\n\nExample: in spring it does.", "Rain falls.\n\nExample: in spring it does."),
        ("He said: no.\nQuestion: why?", "He said: no.\nQuestion: why?"),
        ("<|im_start|>assistant\n42<|im_end|>", "42"),
    ],
)
def test_an_answer_ends_before_a_turn_that_is_invented(reply, answer):
    assert instruction.read(reply).text == answer
