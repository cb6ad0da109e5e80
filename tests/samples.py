"""For each format: a way to make rows of any content, and what reading them must give.

Each strategy draws (row, told): `told` is what `summary` says of the record that the row becomes.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from storage.dialogues import Dialogue, Preference, Record, Text
from storage.records import LETTERS, Message, Question

Row = dict[str, Any]
Told = tuple[Any, ...]


def summary(record: Record) -> Told:
    """What identifies a record, plain enough to compare."""
    if isinstance(record, Question):
        return ("choice", record.problem, record.question, record.options, record.answer)
    if isinstance(record, Dialogue):
        return (record.task, *[(m.role, m.content, m.train) for m in record.messages])
    if isinstance(record, Preference):
        return ("preference", *[(m.role, m.content) for m in record.prompt], record.chosen, record.rejected)
    assert isinstance(record, Text)
    return ("text", record.text)


CHARS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffd")
WORDS = st.text(CHARS, min_size=1).filter(str.strip)
# nothing that a reader of lines or labels takes for structure
PLAIN = st.text("abcdefxyz中文，。 (){}[]\"'\\=<>7", min_size=1, max_size=30).map(str.strip).filter(bool)


def pair(asked: str, answer: str, task: str = "instruction") -> Told:
    return (task, ("user", asked, True), ("assistant", answer, True))


@st.composite
def dialogues(draw: st.DrawFn, *, plain: bool = False) -> Dialogue:
    """Any dialogue that needs no mending; `plain` ones have no tools, and all is learnt."""
    learnt = st.just(True) if plain else st.booleans()
    messages = [Message("system", draw(WORDS))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message("user", draw(WORDS)))
        if not plain and draw(st.booleans()):
            messages.append(Message("assistant", draw(WORDS), draw(learnt)))
            messages += [Message("tool", draw(WORDS)) for _ in range(draw(st.integers(1, 2)))]
        messages.append(Message("assistant", draw(WORDS), draw(learnt)))
    return Dialogue(tuple(messages))


@st.composite
def questions(draw: st.DrawFn, text: st.SearchStrategy[str] = WORDS, count: tuple[int, int] = (2, 7)) -> Question:
    options = tuple(draw(st.lists(text, min_size=count[0], max_size=count[1])))
    problem = draw(text)
    asked = draw(text.filter(lambda words: words != problem))  # what is asked twice is asked once
    return Question(problem, asked, options, draw(st.sampled_from(LETTERS[: len(options)])))


def labelled(question: Question, mark: str) -> list[str]:
    return [f"{letter}{mark}{option}" for letter, option in zip(question.letters, question.options, strict=True)]


def competition(q: Question) -> Row:
    item = {"question": q.question, "options": list(q.options), "answer": q.answer}
    return {"problem": q.problem, "questions": [item]}


def ar_lsat(q: Question) -> Row:
    row = competition(q)
    return {"passage": row.pop("problem"), **row, "id": "1_1"}


def logiqa2(q: Question) -> Row:
    key = LETTERS.index(q.answer or "A")
    return {"id": 7, "answer": key, "text": q.problem, "question": q.question, "options": list(q.options)}


def logic_llm(q: Question) -> Row:
    row = {"id": "x_1", "context": q.problem, "question": q.question, "answer": q.answer}
    return {**row, "options": labelled(q, ") ")}


def logiqa(q: Question) -> Row:
    lines = [str(q.answer).lower(), q.problem, q.question, *labelled(q, ".")]
    return {"text": "\n".join(lines)}


def folio(q: Question) -> Row:
    label = {"A": "True", "B": "False", "C": "Unknown"}[q.answer or "A"]
    return {"premises": q.problem.split("\n"), "conclusion": q.question, "label": label, "example_id": 3}


SCHEMA = "CREATE TABLE dog (Name TEXT)"
CHOICES: dict[str, tuple[st.SearchStrategy[Question], Callable[[Question], Row]]] = {
    # a question that begins as the competition numbers them would have to say more than its number
    "competition": (questions(WORDS.filter(lambda text: "选择题" not in text)), competition),
    "ar-lsat": (questions(WORDS.filter(lambda text: "选择题" not in text)), ar_lsat),
    "logiqa": (questions(PLAIN, (4, 4)), logiqa),
    "logiqa2": (questions(), logiqa2),
    "logic-llm": (questions(PLAIN), logic_llm),
    "folio": (
        st.builds(Question, PLAIN, WORDS, st.just(("True", "False", "Unknown")), st.sampled_from("ABC")),
        folio,
    ),
}


def triple(head: str, relation: str, tail: str) -> tuple[Row, Told]:
    row = {"head": head, "relation": relation, "tail": tail}
    return row, pair(f"{head} | {relation}", tail, "triples")


def drawn(text: str, triples: list[list[str]]) -> tuple[Row, Told]:
    return {"text": text, "triples": triples}, pair(text, "\n".join(" | ".join(t) for t in triples), "triples")


def tagged(both: list[tuple[str, str]]) -> tuple[Row, Told]:
    tokens, labels = [token for token, _ in both], [label for _, label in both]
    answer = "\n".join(f"{token}\t{label}" for token, label in both)
    return {"tokens": tokens, "labels": labels}, pair(" ".join(tokens), answer, "tagging")


def two(first: str, second: str, task: str) -> st.SearchStrategy[tuple[Row, Told]]:
    return st.builds(lambda one, other: ({first: one, second: other}, pair(one, other, task)), WORDS, WORDS)


def preferred(prompt: str, answers: list[str]) -> tuple[Row, Told]:
    chosen, rejected = answers
    row = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    return row, ("preference", ("user", prompt), chosen, rejected)


def knights(quiz: str, steps: list[str], solution: list[bool]) -> tuple[Row, Told]:
    names = [f"n{i}" for i in range(len(solution))]
    row = {"quiz": quiz, "names": names, "solution": solution, "solution_text_format": "(1) so"}
    worked = "\n".join(["Think.", *steps, "Done."])
    return {**row, "cot_head": "Think.", "cot_repeat_steps": steps, "cot_foot": "Done."}, pair(
        quiz, f"{worked}\n\n(1) so", "assignment"
    )


PAIRS: dict[str, st.SearchStrategy[tuple[Row, Told]]] = {
    **{
        name: asked.map(lambda q, row=row: (row(q), summary(q)))  # type: ignore[misc]
        for name, (asked, row) in CHOICES.items()
    },
    "proofnet": st.builds(
        lambda words, formal: (
            {"nl_statement": words, "formal_statement": formal, "src_header": "", "nl_proof": "p"},
            pair(words, formal, "statement"),
        ),
        WORDS,
        WORDS,
    ),
    "knights": st.builds(knights, WORDS, st.lists(WORDS, max_size=3), st.lists(st.booleans(), min_size=1, max_size=4)),
    "sql": st.builds(
        lambda asked, query: (
            {"question": asked, "context": SCHEMA, "answer": query},
            pair(f"{SCHEMA}\n\n{asked}", query, "sql"),
        ),
        WORDS,
        WORDS,
    ),
    "wikisql-text": st.builds(
        lambda asked, query: (
            {"text": f"table: 1-1\ncolumns: No., Name\nQ: {asked}\nA: {query}"},
            pair(f"table: 1-1\ncolumns: No., Name\n\n{asked}", query, "sql"),
        ),
        PLAIN,
        PLAIN,
    ),
    "tagging": st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5).map(tagged),
    "triples": st.builds(triple, WORDS, WORDS, WORDS)
    | st.builds(drawn, WORDS, st.lists(st.lists(WORDS, min_size=3, max_size=3), min_size=1, max_size=3)),
    "question-answer": two("question", "answer", "instruction"),
    "translation": two("source", "target", "translation")
    | st.builds(
        lambda one, other: ({"translation": {"en": one, "zh": other}}, pair(one, other, "translation")), WORDS, WORDS
    ),
    "classification": two("text", "label", "classification"),
    "summary": two("document", "summary", "summary"),
    "preference": st.builds(preferred, WORDS, st.lists(WORDS, min_size=2, max_size=2, unique=True)),
    "text": PLAIN.map(lambda text: ({"text": text}, ("text", text))),
}
