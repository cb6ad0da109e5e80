"""What each format is, for people: the page of formats and the error for an unknown file are made of this.

The sets of multiple choice declare themselves, in `choice_sets`.
"""

from __future__ import annotations

from typing import NamedTuple

from storage.sources.formats import columns
from storage.sources.formats.choice_names import KEYS, OPTIONS, QUESTIONS
from storage.sources.formats.choice_sets import SETS

Names = tuple[str, ...]


class Declared(NamedTuple):
    """A format: its rows in words, what becomes of them, and what is kept on one side of the split.

    `columns` are what a row cannot be without, each by any of its names; the first is the one to say.
    """

    about: str
    becomes: str
    together: str
    columns: tuple[Names, ...] = ()


_ASKS = ("question", *columns.QUESTION, *columns.INSTRUCTION)
_ANSWERS = ("answer", *columns.ANSWER, *columns.REPLY, *columns.SOLUTION)
_TURN = "first user turn"

DECLARED: dict[str, Declared] = {
    "competition": Declared(
        "`problem`, `questions: [{question, options, answer}]`", "questions", "problem", (("problem",), ("questions",))
    ),
    "ar-lsat": Declared(
        "a passage and `questions: […]`: AR-LSAT, QuALITY, C3, DREAM; or lists of questions, options and answers: RACE",
        "questions",
        "passage",
        (("passage", "article", "context"), ("questions",)),
    ),
    "logiqa": Declared("seven lines of text: key, passage, question, `A.` to `D.`", "question", "passage"),
    "choice": Declared(
        "a question, options and a key: [multiple choice](#multiple-choice), here and in the sets below",
        "question",
        "passage, else question",
        (QUESTIONS, OPTIONS, ("answer", *KEYS)),
    ),
    "folio": Declared(
        "`premises`, `conclusion`, `label`: True, False, Unknown are A, B, C",
        "question",
        "premises",
        (("premises",), ("conclusion",)),
    ),
    "alpaca": Declared(
        "`instruction`, `input`, `output`, `history`, `system`, `tools`",
        "instruction, chat",
        _TURN,
        (("instruction",), ("output",)),
    ),
    "messages": Declared(
        "`messages: [{role, content}]`, also as JSON in a text; `system`, `tools`",
        "chat; text of an assistant's turn alone",
        _TURN,
        (("messages",),),
    ),
    "sharegpt": Declared(
        "`conversations` (`conversation`, `data`, `dialog`, `chat`, …): turns, pairs of turns, texts in turn, a "
        "transcript; also nested once more; a `text` with a chat template's marks; `system`, `tools`",
        "chat",
        _TURN,
        (("conversations", "conversation", "dialog", "dialogue", "chat"),),
    ),
    "prompt-completion": Declared(
        "`prompt`, `completion`: texts, or lists of messages", "instruction", "prompt", (("prompt",), ("completion",))
    ),
    "question-answer": Declared(
        "what asks and what answers, by [any of their names](forms.md): `question`, `query`, `problem`, …; `answer`, "
        "`response`, `solution`, …; `context`, `passage`, `story`, …; `instruction`, `history`, `system`",
        "instruction",
        "context, else question",
        (_ASKS, _ANSWERS),
    ),
    "translation": Declared(
        "`source`, `target`, or `translation: {en, de}`", "translation", "source", (("source",), ("target",))
    ),
    "classification": Declared("`text`, `label`", "classification", "text", (("text",), ("label",))),
    "summary": Declared(
        "`document` (`article`, `dialogue`, `text`), `summary` (`highlights`)",
        "summary",
        "document",
        (columns.DOCUMENT, columns.SUMMARY),
    ),
    "proofnet": Declared(
        "`nl_statement`, `formal_statement`, `src_header`, `nl_proof`",
        "statement",
        "statement in words",
        (("formal_statement",), ("nl_statement", "informal_prefix", "natural_language_statement")),
    ),
    "knights": Declared(
        "`quiz`, `names`, `solution`, `cot_…`, `solution_text_format`",
        "assignment",
        "quiz",
        (("quiz",), ("names",), ("solution",)),
    ),
    "sql": Declared(
        "a question, a schema with `CREATE TABLE` and a query, by any of their names: `question`, `context`, `answer`; "
        "`sql_prompt`, `sql_context`, `sql`; `nl`, `schema`, `query`",
        "sql",
        "`db_id`, else schema",
        (("sql_prompt", "question", "nl"), ("sql_context", "schema", "ddl"), ("sql", "query", "sql_query")),
    ),
    "spider": Declared(
        "`db_id`, `question`, `query`; `tables.json` (`db_schema.json`, …) beside the file",
        "sql",
        "`db_id`",
        (("db_id",), ("question",), ("query",)),
    ),
    "bird": Declared(
        "`db_id`, `question`, `evidence`, `SQL`; `dev_tables.json` (`train_tables.json`, …) beside the file; "
        "`database_description/*.csv` beside its database ([scoring](scoring.md))",
        "sql",
        "`db_id`",
        (("db_id",), ("question",), ("SQL", "sql")),
    ),
    "sparc": Declared(
        "`database_id`, `interaction: [{utterance, query}]`; `tables.json` beside the file",
        "chat",
        "`database_id`",
        (("database_id",), ("interaction",)),
    ),
    "wikisql": Declared(
        "`question`, `sql` in numbers, `table` or `FILE.tables.jsonl` beside the file",
        "sql",
        "table",
        (("question",), ("sql",), ("table", "table_id")),
    ),
    "spider-tables": Declared("a schema of `tables.json` itself", "text", "`db_id`"),
    "wikisql-text": Declared("`text` of four lines: table, columns, Q, A", "sql", "table"),
    "preference": Declared(
        "two answers by [any of their names](forms.md), the prompt as a text, turns, a transcript, or what both begin "
        "with",
        "preference",
        _TURN,
        (("prompt", "instruction", "question", "messages"), ("chosen",), ("rejected",)),
    ),
    "rated": Declared(
        "several answers with a `rank`, `score`, `overall_score` each, or in a list beside; or two and which is better",
        "preference: best and worst",
        _TURN,
        (("prompt", "instruction"), ("responses", "completions", "answers"), ("scores", "ranks")),
    ),
    "truth": Declared(
        "something asked or claimed, and whether it is true, entailed",
        "question, classification",
        "passage",
        (("premise", "sentence1", "evidence"), ("hypothesis", "sentence2", "claim"), ("label", "gold_label")),
    ),
    "nested": Declared(
        "questions below a passage, instances below an instruction, steps of an answer", "instruction, chat", "passage"
    ),
    "threads": Declared(
        "messages that answer one another, a row each or as a tree", "chat", _TURN, (("message_id",), ("parent_id",))
    ),
    "moss": Declared("MOSS-003: `meta_instruction`, `chat` of numbered turns", "chat", _TURN),
    "cail2018": Declared("CAIL2018: `fact`, `meta.accusation`", "classification", _TURN, (("fact",), ("accusation",))),
    "tagging": Declared(
        "`tokens`, `labels` (`tags`, `ner_tags`, `pos_tags`)",
        "tagging",
        "sentence",
        (("tokens",), ("labels", "tags", "ner_tags", "pos_tags")),
    ),
    "conll": Declared("a `.txt` of CoNLL, a token a line", "tagging", "sentence"),
    "triples": Declared(
        "`text`, `triples: [[head, relation, tail]]`, or a triple a row",
        "triples",
        "text, else head",
        (("head", "subject"), ("relation", "predicate"), ("tail", "object")),
    ),
    "no-kind": Declared(
        "work that no kind here learns from: rated steps, retrieval, labels in numbers, …",
        "rejected, with the reason",
        "",
    ),
    "text": Declared("`text`, and what else a corpus says", "text", "text", (("text",),)),
}


def needed() -> dict[str, tuple[Names, ...]]:
    """What a row cannot be without, by the format: of the formats and sets that say it."""
    sets = {one.name: tuple((name,) for name in one.needs) for one in SETS if one.needs}
    return {**{name: one.columns for name, one in DECLARED.items() if one.columns}, **sets}


def page() -> list[str]:
    """The lines of docs/formats.md that the formats make, but for the sets of multiple choice."""
    rows = [f"| `{name}` | {one.about} | {one.becomes} | {one.together} |" for name, one in DECLARED.items()]
    return ["| Format | A row | Becomes | Kept together |", "|---|---|---|---|", *rows]
