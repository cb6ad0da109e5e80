"""Made-up dialogues of every kind of work, and rows of them as a user's file has them."""

from typing import Any

from storage.dialogues import Dialogue
from storage.records import Message

Row = dict[str, Any]
TABLES = ("CREATE TABLE singer_{n} (name TEXT, age NUMBER, country TEXT, song TEXT, year NUMBER, male BOOLEAN); "
          "CREATE TABLE concert_{n} (title TEXT, theme TEXT, stadium NUMBER, held NUMBER, singer NUMBER)")  # fmt: skip


def chat(*turns: str, **more: Any) -> Dialogue:
    """User and assistant in turn; a turn that begins with "-" is an answer that is not to be learnt."""
    messages = [
        Message("assistant" if n % 2 else "user", turn.removeprefix("-"), not turn.startswith("-"))
        for n, turn in enumerate(turns)
    ]
    return Dialogue(tuple(messages), **{"file": "a.jsonl", **more})


def query(question: str, answer: str, schema: str = TABLES.format(n=1), db_id: str = "music", **more: Any) -> Dialogue:
    about = {"schema": schema, "db_id": db_id, "question": question}
    return chat(f"{schema}\n\n{question}", answer, task="sql", about=about, topic=db_id, context=schema, **more)


def chat_rows(groups: int) -> list[Row]:
    """Three conversations for each opening: two answers, and one that goes on."""
    openings = [f"What is the weather in city number {n} like?" for n in range(groups)]
    return [
        {"conversations": [{"from": ("human", "gpt")[at % 2], "value": turn} for at, turn in enumerate(turns)]}
        for n, opening in enumerate(openings)
        for turns in ((opening, "Rain."), (opening, f"Sun, {n}."), (opening, "Rain.", "And tomorrow?", "Snow."))
    ]


def alpaca_rows(groups: int) -> list[Row]:
    return [
        {"instruction": f"Say a word about {n}.", "input": "", "output": f"{word} {n}"}
        for n in range(groups)
        for word in ("Round", "Even")
    ]


def sql_rows(groups: int) -> list[Row]:
    return [
        {"question": f"How many {what} are there?", "context": TABLES.format(n=n), "answer": f"SELECT count({what})"}
        for n in range(groups)
        for what in ("singers", "concerts", "songs")
    ]


def proof_rows(groups: int) -> list[Row]:
    return [
        {"id": f"Made|{n}", "nl_statement": f"Prove that {n} is less than its successor.", "nl_proof": "Clear.",
         "formal_statement": f"theorem t{n} : {n} < {n} + 1 :=", "src_header": "import .common"}
        for n in range(groups)
    ]  # fmt: skip


ROWS = {"chat": chat_rows, "instruction": alpaca_rows, "sql": sql_rows, "proof": proof_rows}
