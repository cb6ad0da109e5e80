"""Rows of our own in the schema of published sets, and what reading them must give, text by text.

A form is what `ponens parse` meets without a flag: rows (or the bytes of a file), and for each record `told(record)`;
a reject is "! field: the beginning of its reason".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.dialogues import Dialogue, Preference, Record
from storage.records import Question, Rejected
from storage.sources.formats import declared
from tests.choices import sets_of_the_page


@dataclass(frozen=True, slots=True)
class Form:
    """A published set's form: its name, its rows, what they become, and the notes that the first record carries."""

    name: str
    rows: list[Any]
    becomes: list[str]
    notes: tuple[str, ...] = ()
    files: dict[str, Any] = field(default_factory=dict)  # what lies beside the rows, by name


def told(item: Record | Rejected) -> str:
    """A record in a line: roles by their first letter, in capitals where nothing is learnt from the turn."""
    if isinstance(item, Rejected):
        return f"! {item.field}: {item.reason}"
    if isinstance(item, Question):
        options = " / ".join(item.options)
        return f"{item.problem} ? {item.question} [{options}] {item.answer}"
    if isinstance(item, Dialogue):
        return " | ".join(f"{m.role[0] if m.train else m.role[0].upper()}: {m.content}" for m in item.messages)
    if isinstance(item, Preference):
        asked = " | ".join(f"{m.role[0]}: {m.content}" for m in item.prompt)
        return f"{asked} >> {item.chosen} << {item.rejected}"
    return f"= {item.text}"


def said(*words: str, by: str = "role", text: str = "content") -> list[dict[str, str]]:
    """Turns of a user and an assistant, one after the other."""
    names = ("user", "assistant") if by == "role" else ("human", "gpt")
    return [{by: names[n % 2], text: word} for n, word in enumerate(words)]


def gpt(*words: str) -> list[dict[str, str]]:
    return said(*words, by="from", text="value")


_BAD = "! label: a bad answer of an unpaired preference"
_W = {"name": "w", "parameters": {}}
_TOOLS = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"name":"w","parameters":{}}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>"""
_CALL = '<tool_call>\n{"name":"w","arguments":{"at":"Rome"}}\n</tool_call>'
_CALLED = {"name": "w", "arguments": {"at": "Rome"}}

DIALOGUES = [
    Form("OpenAI messages", [{"messages": said("Hi", "Ho")}], ["u: Hi | a: Ho"]),
    Form("a row that is the list of messages", [said("Hi", "Ho")], ["u: Hi | a: Ho"]),
    Form("a row that is the list of turns", [gpt("Hi", "Ho")], ["u: Hi | a: Ho"]),
    Form(
        "OpenThoughts",
        [
            {
                "system": "Think.",
                "conversations": [
                    {"from": "user", "value": "Hi"},
                    {"from": "assistant", "value": "<|begin_of_thought|>x"},
                ],
            }
        ],
        ["s: Think. | u: Hi | a: <|begin_of_thought|>x"],
    ),
    Form("LIMA", [{"conversations": ["Hi", "Ho"], "source": "x"}], ["u: Hi | a: Ho"]),
    Form(
        "UltraChat, original", [{"id": "0", "data": ["Hi", "Ho", "And?", "So."]}], ["u: Hi | a: Ho | u: And? | a: So."]
    ),
    Form(
        "lmsys-chat-1m",
        [
            {
                "conversation_id": "x",
                "model": "m",
                "conversation": said("Hi", "Ho"),
                "turn": 1,
                "language": "English",
                "openai_moderation": [{"categories": {"hate": False}}],
                "redacted": False,
            }
        ],
        ["u: Hi | a: Ho"],
    ),
    Form(
        "Firefly, several turns",
        [
            {
                "conversation_id": 1,
                "category": "x",
                "conversation": [{"human": "Hi", "assistant": "Ho"}, {"human": "And?", "assistant": "So."}],
            }
        ],
        ["u: Hi | a: Ho | u: And? | a: So."],
    ),
    Form(
        "XTuner conversation",
        [{"conversation": [{"system": "Be kind.", "input": "Hi", "output": "Ho"}, {"input": "And?", "output": "So."}]}],
        ["s: Be kind. | u: Hi | a: Ho | u: And? | a: So."],
    ),
    Form(
        "ms-swift query, response",
        [
            {"system": "Be kind.", "query": "And?", "response": "So.", "history": [["Hi", "Ho"]]},
            {"query": "Hi", "response": "Ho"},
        ],
        ["s: Be kind. | u: Hi | a: Ho | u: And? | a: So.", "u: Hi | a: Ho"],
    ),
    Form(
        "messages as JSON in a text",
        [{"messages": '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]'}],
        ["u: Hi | a: Ho"],
    ),
    Form(
        "pre-training rows",
        [
            {"messages": [{"role": "assistant", "content": "A text."}]},
            {"messages": [{"role": "pretrain", "content": "A text."}]},
        ],
        ["= A text."] * 2,
    ),
    Form(
        "Belle, several turns",
        [{"instruction": "Human:你好\nAssistant:你好！\nHuman:一加一？\nAssistant:", "input": "", "output": "二。"}],
        ["u: 你好 | a: 你好！ | u: 一加一？ | a: 二。"],
    ),
    Form(
        "a prompt that is messages as text",
        [{"prompt": '[{"role": "user", "content": "Hi"}]', "completion": "Ho"}],
        ["u: Hi | a: Ho"],
    ),
]
SIGNS = [
    Form(
        "KTO, messages",
        [{"messages": said("Hi?", "Hello."), "label": True}, {"messages": said("Hi?", "Go away."), "label": False}],
        ["u: Hi? | a: Hello.", _BAD],
        ("unpaired-preference",),
    ),
    Form(
        "KTO, TRL",
        [
            {"prompt": "Hi?", "completion": "Go away.", "label": False},
            {"prompt": said("Hi?")[:1], "completion": [said("", "Go away.")[1]], "label": False},
        ],
        [_BAD, _BAD],
    ),
    Form(
        "KTO, LLaMA-Factory alpaca",
        [{"instruction": "Hi?", "input": "", "output": "Go away.", "kto_tag": False}],
        ["! kto_tag: a bad answer"],
    ),
    Form(
        "KTO, LLaMA-Factory ShareGPT",
        [{"conversations": gpt("Hi?", word), "kto_tag": good} for word, good in (("Hello.", True), ("No.", False))],
        ["u: Hi? | a: Hello.", "! kto_tag: a bad answer"],
    ),
    Form(
        "WikiQA",
        [
            {"question_id": "Q1", "question": "Where?", "document_title": "Rome", "answer": "In Italy.", "label": label}
            for label in (0, 1)
        ],
        [_BAD, "u: Where? | a: In Italy."],
    ),
    Form(
        "turns with loss: false",
        [
            {
                "messages": [
                    *said("Hi"),
                    {"role": "assistant", "content": "bad", "loss": False},
                    *said("Again"),
                    {"role": "assistant", "content": "good", "loss": True},
                ]
            }
        ],
        ["u: Hi | A: bad | u: Again | a: good"],
    ),
    Form(
        "turns with a loss scale",
        [
            {
                "messages": [
                    *said("Hi"),
                    {"role": "assistant", "content": "x", "loss_scale": 0},
                    *said("Again"),
                    {"role": "assistant", "content": "y", "loss_scale": 0.5},
                ]
            }
        ],
        ["u: Hi | A: x | u: Again | a: y"],
        ("weighted-turn",),
    ),
    Form(
        "axolotl, training",
        [{"conversations": [*gpt("Hi"), {"from": "gpt", "value": "x", "training": False}, *gpt("Again", "y")]}],
        ["u: Hi | A: x | u: Again | a: y"],
    ),
    Form(
        "XTuner pairs with loss",
        [{"conversation": [{"input": "Hi", "output": "x", "loss": False}, {"input": "Again", "output": "y"}]}],
        ["u: Hi | A: x | u: Again | a: y"],
    ),
]
REASONING = [
    Form(
        "reasoning_content, thinking",
        [
            {"messages": [*said("1+1?"), {"role": "assistant", "content": "2", name: "One."}]}
            for name in ("reasoning_content", "reasoning", "thinking")
        ],
        ["u: 1+1? | a: <think>\nOne.\n</think>\n\n2"] * 3,
        ("kept-reasoning",),
    ),
    Form(
        "parts that think",
        [
            {
                "messages": [
                    *said("1+1?"),
                    {
                        "role": "assistant",
                        "content": [{"type": "thinking", "thinking": "One."}, {"type": "text", "text": "2"}],
                    },
                ]
            }
        ],
        ["u: 1+1? | a: <think>\nOne.\n</think>\n\n2"],
    ),
    Form(
        "LIMO",
        [{"question": "1+1?", "solution": "One and one … \\boxed{2}", "answer": "2"}],
        ["u: 1+1? | a: One and one … \\boxed{2}"],
    ),
    Form(
        "AIME24",
        [
            {
                "id": 60,
                "problem": "1+1?",
                "question": "1+1?",
                "solution": "Add. \\boxed{2}",
                "answer": "2",
                "url": "x",
                "year": "2024",
            }
        ],
        ["u: 1+1? | a: Add. \\boxed{2}"],
    ),
    Form(
        "MATH-500",
        [
            {
                "problem": "1+1?",
                "solution": "Add: $\\boxed{2}$.",
                "answer": "2",
                "subject": "Algebra",
                "level": 2,
                "unique_id": "x",
            }
        ],
        ["u: 1+1? | a: Add: $\\boxed{2}$."],
    ),
    Form(
        "s1K",
        [
            {
                "question": "1+1?",
                "solution": "2",
                "thinking_trajectories": ["One."],
                "attempt": "It is 2.",
                "cot_type": "math",
                "source_type": "x",
                "metadata": "{}",
            }
        ],
        ["u: 1+1? | a: <think>\nOne.\n</think>\n\nIt is 2."],
        ("kept-reasoning",),
    ),
    Form(
        "HuatuoGPT-o1",
        [{"Question": "Fever?", "Complex_CoT": "Hm.", "Response": "Rest."}],
        ["u: Fever? | a: <think>\nHm.\n</think>\n\nRest."],
    ),
    Form(
        "OpenR1-Math",
        [
            {
                "problem": "1+1?",
                "solution": "Add.",
                "answer": "2",
                "generations": ["<think>x</think>2"],
                "messages": said("1+1?", "<think>x</think>2"),
            }
        ],
        ["u: 1+1? | a: <think>x</think>2"],
        ("unread solution",),
    ),
]
TOOLS = [
    Form(
        "LLaMA-Factory tools",
        [
            {
                "conversations": [
                    *gpt("Weather?"),
                    {"from": "function_call", "value": '{"name": "w"}'},
                    {"from": "observation", "value": "{}"},
                    {"from": "gpt", "value": "Sunny."},
                ],
                "tools": '[{"name":"w","parameters":{}}]',
            }
        ],
        [f's: {_TOOLS} | u: Weather? | a: <tool_call>\n{{"name": "w"}}\n</tool_call> | t: {{}} | a: Sunny.'],
        ("tools-in-system",),
    ),
    Form(
        "OpenAI tools",
        [
            {
                "messages": [
                    {"role": "system", "content": "Be kind."},
                    *said("Weather?"),
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {"id": "1", "type": "function", "function": {"name": "w", "arguments": '{"at": "Rome"}'}}
                        ],
                    },
                    {"role": "tool", "tool_call_id": "1", "content": "{}"},
                    {"role": "assistant", "content": "Sunny."},
                ],
                "tools": [_W],
            }
        ],
        [f"s: Be kind.\n\n{_TOOLS} | u: Weather? | a: {_CALL} | t: {{}} | a: Sunny."],
        ("tool-calls", "tools-in-system"),
    ),
    Form(
        "ms-swift tool_call",
        [
            {
                "messages": [
                    *said("Weather?"),
                    {"role": "tool_call", "content": '{"name": "w"}'},
                    {"role": "tool_response", "content": "{}"},
                    {"role": "assistant", "content": "Sunny."},
                ],
                "tools": [_W],
            }
        ],
        [f's: {_TOOLS} | u: Weather? | a: <tool_call>\n{{"name": "w"}}\n</tool_call> | t: {{}} | a: Sunny.'],
    ),
    Form(
        "xLAM",
        [
            {
                "id": 0,
                "query": "Weather in Rome?",
                "answers": '[{"name": "w", "arguments": {"at": "Rome"}}]',
                "tools": '[{"name":"w","parameters":{}}]',
            }
        ],
        [f"s: {_TOOLS} | u: Weather in Rome? | a: {_CALL}"],
    ),
]
PREFERENCES = [
    Form(
        "LLaMA-Factory DPO",
        [
            {
                "conversations": gpt("Hi", "Hello", "Rome?"),
                "chosen": {"from": "gpt", "value": "Italy."},
                "rejected": {"from": "gpt", "value": "No."},
            }
        ],
        ["u: Hi | a: Hello | u: Rome? >> Italy. << No."],
    ),
    Form(
        "LLaMA-Factory v1 DPO",
        [{"chosen_messages": said("Rome?", "Italy."), "rejected_messages": said("Rome?", "No.")}],
        ["u: Rome? >> Italy. << No."],
    ),
    Form(
        "ms-swift rejected_response",
        [{"messages": said("Rome?", "Italy."), "rejected_response": "No."}],
        ["u: Rome? >> Italy. << No."],
    ),
    Form(
        "UltraFeedback, binarized",
        [
            {
                "prompt": "Rome?",
                "prompt_id": "x",
                "chosen": said("Rome?", "Italy."),
                "rejected": said("Rome?", "No."),
                "messages": said("Rome?", "Italy."),
                "score_chosen": 7.0,
            }
        ],
        ["u: Rome? >> Italy. << No."],
    ),
    Form(
        "HH-RLHF",
        [
            {
                "chosen": "\n\nHuman: Hi\n\nAssistant: Ho\n\nHuman: Rome?\n\nAssistant: Italy.",
                "rejected": "\n\nHuman: Hi\n\nAssistant: Ho\n\nHuman: Rome?\n\nAssistant: No.",
            }
        ],
        ["u: Hi | a: Ho | u: Rome? >> Italy. << No."],
    ),
    Form(
        "TRL implicit prompt",
        [
            {"chosen": "The sky is blue.", "rejected": "The sky is black."},
            {"chosen": said("Rome?", "Italy."), "rejected": said("Rome?", "No.")},
        ],
        ["u: The sky is >> blue. << black.", "u: Rome? >> Italy. << No."],
    ),
    Form(
        "OpenAI preference",
        [
            {
                "input": {"messages": said("Rome?"), "tools": []},
                "preferred_output": [{"role": "assistant", "content": "Italy."}],
                "non_preferred_output": [{"role": "assistant", "content": "No."}],
            }
        ],
        ["u: Rome? >> Italy. << No."],
    ),
    Form(
        "StackExchange, paired",
        [{"qid": 1, "question": "Rome?", "response_j": "Italy.", "response_k": "No."}],
        ["u: Rome? >> Italy. << No."],
    ),
    Form(
        "orca_dpo_pairs",
        [{"system": "Be kind.", "question": "Rome?", "chosen": "Italy.", "rejected": "No."}],
        ["s: Be kind. | u: Rome? >> Italy. << No."],
    ),
    Form(
        "alpaca with chosen",
        [{"instruction": "Where is", "input": "Rome?", "chosen": "Italy.", "rejected": "No."}],
        ["u: Where is\n\nRome? >> Italy. << No."],
    ),
    Form(
        "PKU-SafeRLHF",
        [
            {
                "prompt": "Rome?",
                "response_0": "No.",
                "response_1": "Italy.",
                "better_response_id": 1,
                "is_response_0_safe": True,
                "safer_response_id": 0,
            }
        ],
        ["u: Rome? >> Italy. << No."],
    ),
]
ASKED = [
    Form(
        "LawBench",
        [{"instruction": "Answer only with the letter.", "question": "Which? A: x B: y", "answer": "正确答案：B。"}],
        ["u: Answer only with the letter.\n\nWhich? A: x B: y | a: 正确答案：B。"],
    ),
    Form(
        "Dolly",
        [{"instruction": "Sum up.", "context": "It rains.", "response": "Rain.", "category": "x"}],
        ["u: Sum up.\n\nIt rains. | a: Rain."],
    ),
    Form(
        "OpenOrca",
        [{"id": "x", "system_prompt": "Be kind.", "question": "Hi?", "response": "Ho."}],
        ["s: Be kind. | u: Hi? | a: Ho."],
    ),
    Form(
        "MetaMathQA",
        [{"query": "1+1?", "response": "2.", "type": "x", "original_question": "1+1?"}],
        ["u: 1+1? | a: 2."],
    ),
    Form("FLAN", [{"inputs": "Hi?", "targets": "Ho.", "task": "x"}], ["u: Hi? | a: Ho."]),
    Form("Firefly 1.1M", [{"kind": "x", "input": "Hi?", "target": "Ho."}], ["u: Hi? | a: Ho."]),
    Form(
        "BELLE eval",
        [{"question": "Hi?", "std_answer": "Ho.", "class": "x"}, {"question": "Hi?", "std_answer": "", "class": "x"}],
        ["u: Hi? | a: Ho.", "! std_answer: empty std_answer"],
    ),
    Form(
        "CLUTRR",
        [{"id": "x", "story": "[Ann] is [Bo]'s mother.", "query": "('Bo', 'Ann')", "target": "mother"}],
        ["u: [Ann] is [Bo]'s mother.\n\n('Bo', 'Ann') | a: mother"],
    ),
    Form(
        "MuSiQue",
        [
            {
                "id": "x",
                "paragraphs": [{"idx": 0, "title": "Rome", "paragraph_text": "It is old.", "is_supporting": True}],
                "question": "How?",
                "answer": "Old.",
            }
        ],
        ["u: Rome\nIt is old.\n\nHow? | a: Old."],
    ),
    Form(
        "HotpotQA",
        [
            {
                "_id": "x",
                "question": "How?",
                "answer": "Old.",
                "context": [["Rome", ["It is old.", " So."]], ["Bonn", ["No."]]],
            },
            {
                "id": "x",
                "question": "How?",
                "answer": "Old.",
                "context": {"title": ["Rome"], "sentences": [["It is old."]]},
            },
        ],
        ["u: Rome\nIt is old. So.\n\nBonn\nNo.\n\nHow? | a: Old.", "u: Rome\nIt is old.\n\nHow? | a: Old."],
    ),
    Form("NQ-open", [{"question": "How?", "answer": ["Old.", "Aged."]}], ["u: How? | a: Old."], ("first-of-answers",)),
    Form("AMC", [{"id": 1, "problem": "1+1?", "answer": 27.0, "url": "x"}], ["u: 1+1? | a: 27"]),
    Form(
        "SVAMP",
        [{"ID": "x", "Body": "Ann has 8.", "Question": "How many?", "Equation": "8", "Answer": 8.0, "Type": "x"}],
        ["u: Ann has 8.\n\nHow many? | a: 8"],
    ),
    Form(
        "MAWPS",
        [{"iIndex": 1, "sQuestion": "1+1?", "lEquations": ["X=1+1"], "lSolutions": [2.0]}],
        ["u: 1+1? | a: 2"],
        ("unread lEquations",),
    ),
    Form(
        "OlympiadBench, original",
        [
            {
                "id": 1,
                "question": "1+1?",
                "solution": ["Add: 2."],
                "final_answer": ["2"],
                "context": None,
                "subfield": "x",
            }
        ],
        ["u: 1+1? | a: Add: 2."],
    ),
    Form(
        "ZebraLogic, grid",
        [
            {
                "id": "x",
                "size": "1*1",
                "puzzle": "One house.",
                "solution": {"header": ["House", "Name"], "rows": [["1", "Ann"]]},
            }
        ],
        ["u: One house. | a: House | Name\n1 | Ann"],
    ),
    Form(
        "CNN/DM, SAMSum",
        [{"article": "Long.", "highlights": "Short.", "id": "x"}, {"id": "x", "dialogue": "A: Hi", "summary": "Hi."}],
        ["u: Long. | a: Short.", "u: A: Hi | a: Hi."],
    ),
    Form("BillSum", [{"text": "A bill.", "summary": "Bill.", "title": "x"}], ["u: A bill. | a: Bill."]),
]

_DOGS = {
    "db_id": "dogs",
    "table_names": ["dog"],
    "column_names": [[-1, "*"], [0, "name"]],
    "column_types": ["text", "text"],
    "foreign_keys": [],
}
_DOG = "CREATE TABLE dog (name TEXT)"
_TABLE = {"id": "1-1", "header": ["No.", "Name"], "types": ["real", "text"], "rows": []}
_MADE = 'CREATE TABLE data ("No." REAL, "Name" TEXT)'
SQL = [
    Form(
        "SParC, CoSQL",
        [
            {
                "database_id": "dogs",
                "final": {"query": "SELECT 2", "utterance": "x"},
                "interaction": [
                    {"utterance": "How many?", "query": "SELECT 1"},
                    {"utterance": "And now?", "query": "SELECT 2"},
                ],
            }
        ],
        [f"u: {_DOG}\n\nHow many? | a: SELECT 1 | u: And now? | a: SELECT 2"],
        files={"tables.json": [_DOGS]},
    ),
    Form(
        "Gretel",
        [
            {
                "id": 1,
                "domain": "x",
                "sql_prompt": "How many?",
                "sql_context": _DOG,
                "sql": "SELECT 1",
                "sql_explanation": "One.",
            }
        ],
        [f"u: {_DOG}\n\nHow many? | a: SELECT 1"],
        ("unread sql_explanation",),
    ),
    Form(
        "CSpider",
        [
            {"db_id": "dogs", "question": "几只？", "query": "select 1"},
            {"db_id": "dogs", "question": "几只？", "query": ""},
        ],
        [f"u: {_DOG}\n\n几只？ | a: select 1", "! query: empty query"],
        files={"db_schema.json": [_DOGS]},
    ),
    Form(
        "Spider without tables.json",
        [{"db_id": "dogs", "question": "?", "query": "select 1"}],
        ["! db_id: no tables.json lies beside the file"],
    ),
    Form(
        "BIRD",
        [
            {
                "question_id": 0,
                "db_id": "dogs",
                "question": "How many?",
                "evidence": "A dog is a row.",
                "SQL": "SELECT 1",
                "difficulty": "simple",
            }
        ],
        [f"u: {_DOG}\n\nA dog is a row.\n\nHow many? | a: SELECT 1"],
        files={"dev_tables.json": [_DOGS]},
    ),
    Form(
        "BIRD, copied with its names in lower case",
        [{"question_id": 0, "db_id": "dogs", "question": "How many?", "evidence": "", "sql": "SELECT 1"}],
        [f"u: {_DOG}\n\nHow many? | a: SELECT 1"],
        files={"dev_tables.json": [_DOGS]},
    ),
    Form(
        "WikiSQL, original",
        [
            {
                "phase": 1,
                "table_id": "1-1",
                "question": "Which?",
                "sql": {"sel": 0, "agg": 3, "conds": [[1, 0, "O'Neil"], [0, 1, "7"]]},
            }
        ],
        [f'u: {_MADE}\n\nWhich? | a: SELECT COUNT("No.") FROM data WHERE "Name" = \'O\'\'Neil\' AND "No." > 7'],
        files={"rows.tables.jsonl": _TABLE},
    ),
    Form(
        "WikiSQL, hub",
        [
            {
                "phase": 1,
                "question": "Which?",
                "table": _TABLE,
                "sql": {
                    "human_readable": "x",
                    "sel": 1,
                    "agg": 0,
                    "conds": {"column_index": [1], "operator_index": [0], "condition": ["x"]},
                },
            }
        ],
        [f'u: {_MADE}\n\nWhich? | a: SELECT "Name" FROM data WHERE "Name" = \'x\''],
    ),
]
TRUTH = [
    Form(
        "StrategyQA",
        [
            {
                "qid": "x",
                "term": "Rome",
                "question": "Is it?",
                "answer": True,
                "facts": ["It is."],
                "decomposition": ["What?"],
            }
        ],
        [" ? Is it? [True / False] A"],
        ("unread facts", "unread decomposition"),
    ),
    Form(
        "BoolQ",
        [{"question": "is it", "title": "Rome", "answer": False, "passage": "It is not."}],
        ["It is not. ? is it [True / False] B"],
    ),
    Form(
        "BoolQ, SuperGLUE",
        [
            {"question": "is it", "passage": "It is.", "idx": 3, "label": 1},
            {"question": "is it", "passage": "It is.", "idx": 4, "label": 0},
        ],
        ["It is. ? is it [True / False] A", "It is. ? is it [True / False] B"],
    ),
    Form(
        "RuleTaker, original",
        [
            {
                "id": "x",
                "context": "Ann is big.",
                "questions": [
                    {"id": "1", "text": "Ann is big.", "label": True, "meta": {}},
                    {"id": "2", "text": "Ann is small.", "label": False},
                ],
            }
        ],
        ["Ann is big. ? Ann is big. [True / False] A", "Ann is big. ? Ann is small. [True / False] B"],
    ),
    Form(
        "RuleTaker, hub",
        [{"context": "Ann is big.", "question": "Ann is small.", "label": "not entailment", "config": "depth-0"}],
        ["u: Ann is big.\n\nAnn is small. | a: not entailment"],
    ),
    Form(
        "ProofWriter, meta",
        [
            {
                "id": "AttNeg-OWA-D3-1",
                "maxD": 3,
                "theory": "Ann is big.",
                "triples": {},
                "rules": {},
                "questions": {
                    "Q1": {"question": "Ann is big.", "answer": True, "QDep": 0},
                    "Q2": {"question": "Ann is red.", "answer": "Unknown"},
                },
            }
        ],
        [
            "Ann is big. ? Ann is big. [True / False / Unknown] A",
            "Ann is big. ? Ann is red. [True / False / Unknown] C",
        ],
    ),
    Form(
        "ProntoQA, original",
        [
            {
                "example1": {
                    "in_context_example0": {"question": "x", "query": "y", "answer": "True"},
                    "test_example": {
                        "question": "Each cat is big.",
                        "query": "True or false: Tom is big.",
                        "chain_of_thought": ["Tom is a cat."],
                        "answer": "False",
                    },
                }
            }
        ],
        ["Each cat is big. ? True or false: Tom is big. [True / False] B"],
    ),
    Form(
        "LogicBench, yes or no",
        [
            {
                "id": 1,
                "context": "If it rains, Ann stays.",
                "qa_pairs": [{"question": "Does she?", "answer": "yes"}, {"question": "Not?", "answer": "no"}],
            }
        ],
        ["If it rains, Ann stays. ? Does she? [yes / no] A", "If it rains, Ann stays. ? Not? [yes / no] B"],
    ),
    Form(
        "FOLIO, hub",
        [
            {
                "story_id": 1,
                "premises": "All are big.\nAnn is one.",
                "premises-FOL": "x\ny",
                "conclusion": "Ann is big.",
                "conclusion-FOL": "z",
                "label": "True",
                "example_id": 3,
            }
        ],
        ["All are big.\nAnn is one. ? Ann is big. [True / False / Unknown] A"],
    ),
    Form(
        "SNLI",
        [{"premise": "It rains.", "hypothesis": "It is wet.", "label": label} for label in (0, 2, -1)],
        ["u: It rains.\n\nIt is wet. | a: entailment", "u: It rains.\n\nIt is wet. | a: contradiction", "! label: -1"],
    ),
    Form(
        "ANLI",
        [{"uid": "x", "premise": "It rains.", "hypothesis": "It is wet.", "label": 1, "reason": "Hm."}],
        ["u: It rains.\n\nIt is wet. | a: neutral"],
        ("unread reason",),
    ),
    Form(
        "RTE",
        [{"premise": "It rains.", "hypothesis": "It is wet.", "label": "not_entailment", "idx": 1}],
        ["u: It rains.\n\nIt is wet. | a: not_entailment"],
    ),
    Form(
        "entailment by a number that names no word",
        [{"premise": "It rains.", "hypothesis": "Wet.", "label": 1, "idx": 1}],
        ["! label: 1 stands for a word that the file does not say"],
    ),
    Form(
        "LogiQA 2.0 NLI",
        [{"label": "entailed", "major_premise": ["All.", "Some."], "minor_premise": "Ann.", "conclusion": "So."}],
        ["u: All.\nSome.\nAnn.\n\nSo. | a: entailed"],
    ),
]
NESTED = [
    Form(
        "SQuAD",
        [
            {
                "title": "Rome",
                "paragraphs": [
                    {
                        "context": "Rome is old.",
                        "qas": [
                            {"id": "1", "question": "How?", "answers": [{"text": "old", "answer_start": 8}]},
                            {"id": "2", "question": "Why?", "answers": [], "is_impossible": True},
                        ],
                    }
                ],
            }
        ],
        ["u: Rome is old.\n\nHow? | a: old", "! qas[1].answers: the passage has no answer"],
    ),
    Form(
        "SQuAD, hub",
        [
            {
                "id": "1",
                "title": "Rome",
                "context": "Rome is old.",
                "question": "How?",
                "answers": {"text": ["old"], "answer_start": [8]},
            }
        ],
        ["u: Rome is old.\n\nHow? | a: old"],
    ),
    Form(
        "DROP",
        [
            {
                "nfl_1": {
                    "passage": "They won 4 to 3.",
                    "qa_pairs": [
                        {
                            "question": "How many?",
                            "answer": {"number": "4", "date": {"day": "", "month": "", "year": ""}, "spans": []},
                            "query_id": "x",
                        },
                        {
                            "question": "Who?",
                            "answer": {"number": "", "date": {}, "spans": ["A", "B"]},
                            "query_id": "y",
                        },
                    ],
                }
            }
        ],
        ["u: They won 4 to 3.\n\nHow many? | a: 4", "u: They won 4 to 3.\n\nWho? | a: A, B"],
    ),
    Form(
        "DROP, hub",
        [
            {
                "section_id": "x",
                "query_id": "y",
                "passage": "They won.",
                "question": "Who?",
                "answers_spans": {"spans": ["A", "B"], "types": ["span", "span"]},
            }
        ],
        ["u: They won.\n\nWho? | a: A, B"],
    ),
    Form(
        "CoQA",
        [
            {
                "id": "x",
                "story": "Ann sat.",
                "questions": [{"input_text": "Who?", "turn_id": 1}, {"input_text": "What?", "turn_id": 2}],
                "answers": [{"input_text": "Ann", "span_text": "Ann"}, {"input_text": "sat", "span_text": "sat"}],
            }
        ],
        ["u: Ann sat.\n\nWho? | a: Ann | u: What? | a: sat"],
    ),
    Form(
        "seed tasks",
        [
            {
                "id": "x",
                "name": "n",
                "instruction": "Add.",
                "instances": [{"input": "1+1", "output": "2"}, {"input": "", "output": "3"}],
                "is_classification": False,
            }
        ],
        ["u: Add.\n\n1+1 | a: 2", "u: Add. | a: 3"],
    ),
    Form(
        "stepwise, TRL",
        [
            {"prompt": "1+1?", "completions": ["Add.", "2."], "labels": [True, True]},
            {"prompt": "1+1?", "completions": ["Add.", "3."], "labels": [True, False]},
        ],
        ["u: 1+1? | a: Add.\n2.", "! labels: step 2 is judged wrong"],
    ),
]
THEIRS = [
    Form(
        "Glaive v2",
        [
            {
                "system": "SYSTEM: You may call {}.",
                "chat": "USER: Hi\n\n\nASSISTANT: <functioncall> {} "
                "<|endoftext|>\n\n\nFUNCTION RESPONSE: {}\n\n\nASSISTANT: Ho <|endoftext|>",
            }
        ],
        ["s: You may call {}. | u: Hi | a: <functioncall> {} | t: {} | a: Ho"],
    ),
    Form(
        "Guanaco",
        [{"text": "### Human: Hi### Assistant: Ho### Human: And?### Assistant: So."}],
        ["u: Hi | a: Ho | u: And? | a: So."],
    ),
    Form(
        "ChatML as text",
        [{"text": "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>\n"}],
        ["u: Hi | a: Ho"],
    ),
    Form(
        "Gemini",
        [{"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Ho"}]}]}],
        ["u: Hi | a: Ho"],
    ),
    Form(
        "Bedrock",
        [
            {
                "schemaVersion": "x",
                "messages": [
                    {"role": "user", "content": [{"text": "Hi"}]},
                    {"role": "assistant", "content": [{"text": "Ho"}]},
                ],
            }
        ],
        ["u: Hi | a: Ho"],
    ),
    Form(
        "Alpaca, hub",
        [{"instruction": "Hi", "input": "", "output": "Ho", "text": "Below is. ### Instruction: Hi ### Response: Ho"}],
        ["u: Hi | a: Ho"],
    ),
    Form(
        "MOSS-003",
        [
            {
                "conversation_id": "1",
                "meta_instruction": "You are M.",
                "num_turns": 1,
                "chat": {
                    "turn_1": {
                        "Human": "<|Human|>: Hi<eoh>\n",
                        "Inner Thoughts": "<|Inner Thoughts|>: None<eot>\n",
                        "Commands": "<|Commands|>: None<eoc>\n",
                        "Tool Responses": "<|Results|>: None<eor>\n",
                        "MOSS": "<|MOSS|>: Ho<eom>\n",
                    }
                },
            }
        ],
        ["s: You are M. | u: Hi | a: Ho"],
    ),
    Form(
        "MOSS-003 with plugins",
        [
            {
                "meta_instruction": "You are M.",
                "chat": {
                    "turn_1": {
                        "Human": "<|Human|>: Hi<eoh>\n",
                        "Inner Thoughts": "<|Inner Thoughts|>: Look.<eot>\n",
                        "Commands": '<|Commands|>: Search("x")<eoc>\n',
                        "Tool Responses": "<|Results|>: y<eor>\n",
                        "MOSS": "<|MOSS|>: Ho<eom>\n",
                    }
                },
            }
        ],
        ['s: You are M. | u: Hi | a: <think>\nLook.\n</think>\n\nSearch("x") | t: y | a: Ho'],
        ("tool-calls",),
    ),
    Form(
        "CAIL2018",
        [
            {
                "fact": "某甲盗窃。",
                "meta": {
                    "accusation": ["盗窃"],
                    "relevant_articles": [264],
                    "punish_of_money": 0,
                    "criminals": ["某甲"],
                    "term_of_imprisonment": {"imprisonment": 3},
                },
            }
        ],
        ["u: 某甲盗窃。 | a: 盗窃"],
    ),
    Form(
        "OASST messages",
        [
            {"message_id": "a", "parent_id": None, "text": "Hi", "role": "prompter", "lang": "en"},
            {"message_id": "b", "parent_id": "a", "text": "Ho", "role": "assistant"},
            {"message_id": "c", "parent_id": "a", "text": "Hm", "role": "assistant"},
            {"message_id": "d", "parent_id": "b", "text": "And?", "role": "prompter"},
            {"message_id": "e", "parent_id": "d", "text": "So.", "role": "assistant"},
            {"message_id": "f", "parent_id": "z", "text": "lost", "role": "assistant"},
        ],
        ["u: Hi | a: Hm", "u: Hi | a: Ho | u: And? | a: So.", "! parent_id: the message that it answers, 'z'"],
    ),
    Form(
        "OASST trees",
        [
            {
                "message_tree_id": "a",
                "prompt": {
                    "message_id": "a",
                    "text": "Hi",
                    "role": "prompter",
                    "replies": [
                        {"text": "Ho", "role": "assistant", "replies": []},
                        {"text": "x", "role": "assistant", "deleted": True, "replies": []},
                    ],
                },
            }
        ],
        ["u: Hi | a: Ho"],
    ),
    Form(
        "Cosmopedia",
        [
            {
                "prompt": "Write.",
                "text": "A text.",
                "text_token_length": 3,
                "seed_data": "x",
                "format": "blog",
                "audience": "all",
            }
        ],
        ["u: Write. | a: A text."],
    ),
]
RATED = [
    Form(
        "Nectar",
        [{"prompt": "\n\nHuman: Hi\n\nAssistant: ", "answers": [{"answer": word, "model": "m", "rank": rank}
          for word, rank in (("No.", 2.0), ("Ho.", 1.0), ("Hm.", 1.5))], "turns": 1, "good_natured": True}],
        ["u: Hi >> Ho. << No."],
    ),
    Form(
        "UltraFeedback",
        [{"source": "x", "instruction": "Hi", "models": ["m"], "completions": [{"response": word, "overall_score": score}
          for word, score in scores]} for scores in ([("No.", 2.0), ("Ho.", 9.0)], [("No.", 2.0), ("Ho.", 2.0)])],
        ["u: Hi >> Ho. << No.", "! completions: all answers are rated alike"],
    ),
    Form(
        "Stack Exchange, preferences",
        [{"qid": 1, "question": "Hi?", "answers": [{"text": "No.", "pm_score": 0}, {"text": "Ho.", "pm_score": 5}]}],
        ["u: Hi? >> Ho. << No."],
    ),
    Form(
        "HelpSteer2, preferences",
        [{"prompt": "Hi", "response_1": "Ho.", "response_2": "No.", "preference_strength": n} for n in (-1, 2, 0)],
        ["u: Hi >> Ho. << No.", "u: Hi >> No. << Ho.", "! preference_strength: '0': both answers are rated alike"],
    ),
    Form(
        "SHP",
        [{"post_id": "x", "history": "Hi?", "human_ref_A": "No.", "human_ref_B": "Ho.", "labels": n} for n in (0, 1)],
        ["u: Hi? >> Ho. << No.", "u: Hi? >> No. << Ho."],
    ),
    Form(
        "WebGPT",
        [{"question": {"id": "1", "full_text": "Hi?"}, "answer_0": "No.", "answer_1": "Ho.", "score_0": -1, "score_1": 1}],
        ["u: Hi? >> Ho. << No."],
    ),
    Form(
        "Chatbot arena",
        [{"winner": winner, "conversation_a": said("Hi", "No."), "conversation_b": said("Hi", "Ho.")}
         for winner in ("model_b", "tie")],
        ["u: Hi >> Ho. << No.", "! winner: 'tie': both answers are rated alike"],
    ),
    Form(
        "a prompt beside answers that say it again",
        [{"prompt": "Rome?", "question": "Rome?", "chosen": said("Rome?", "Italy."), "rejected": said("Rome?", "No.")}],
        ["u: Rome? >> Italy. << No."],
    ),
    Form(
        "UltraInteract, pairs",
        [{"trajectory": gpt("Rome?"), "chosen": "Italy.", "rejected": "No.", "id": "1"}],
        ["u: Rome? >> Italy. << No."],
    ),
]  # fmt: skip
STRANGERS = [
    Form(
        "Nemotron, reasoning on and off",
        [{"input": said("Hi"), "output": "Ho.", "reasoning": "off", "system_prompt": "Be brief."},
         {"input": said("Hi"), "output": "<think>\nHm.\n</think>\nHo.", "reasoning": "on"}],
        ["s: Be brief. | u: Hi | a: Ho.", "u: Hi | a: <think>\nHm.\n</think>\nHo."],
    ),
    Form(
        "OpenThoughts, metadata",
        [{"problem": "1+1?", "deepseek_reasoning": "Hm.", "deepseek_solution": "It is 2.", "ground_truth_solution": "2"}],
        ["u: 1+1? | a: <think>\nHm.\n</think>\n\nIt is 2."],
    ),
    Form(
        "DeepSeek-R1 distilled, Chinese",
        [{"input": "一加一？", "reasoning_content": "想。", "content": "二。", "repo_name": "x", "score": 10}],
        ["u: 一加一？ | a: <think>\n想。\n</think>\n\n二。"],
    ),
    Form(
        "GeneralThought",
        [{"question": "1+1?", "reference_answer": "2", "model_answer": "It is 2.", "model_reasoning": "Hm."}],
        ["u: 1+1? | a: <think>\nHm.\n</think>\n\nIt is 2."],
    ),
    Form(
        "NuminaMath 1.5",
        [{"problem": "1+1?", "solution": "Add. 2", "answer": "2", "problem_is_valid": "Yes", "solution_is_valid": valid}
         for valid in ("Yes", "Incomplete")],
        ["u: 1+1? | a: Add. 2", "! solution_is_valid: 'Incomplete': no example to learn from"],
    ),
    Form(
        "PKU-SafeRLHF, questions and answers",
        [{"prompt": "Hi", "response": "No.", "is_safe": False}, {"prompt": "Hi", "response": "Ho.", "is_safe": True}],
        ["! is_safe: a bad answer", "u: Hi | a: Ho."],
    ),
    Form(
        "WikiQA, original",
        [{"QuestionID": "Q1", "Question": "Where?", "DocumentTitle": "Rome", "SentenceID": "D1-0", "Sentence": words,
          "Label": label} for words, label in (("It is old.", "0"), ("In Italy.", "1"))],
        ["! Label: a bad answer", "u: Where? | a: In Italy."],
    ),
    Form(
        "LLaMA-Factory v1",
        [{"messages": [{"role": role, "content": [{"type": "text", "value": words}], "loss_weight": weight}
          for role, words, weight in (("system", "Be kind.", 0.0), ("user", "Hi", 0.0), ("assistant", "Ho", 1.0))]}],
        ["S: Be kind. | U: Hi | a: Ho"],
    ),
    Form(
        "LLaMA-Factory v1, reasoning and calls",
        [{"messages": [{"role": "user", "content": [{"type": "text", "value": "6*8?"}]},
          {"role": "assistant", "content": [{"type": "reasoning", "value": "Hm."}, {"type": "tool_call", "value": "{}"}]},
          {"role": "tool", "content": [{"type": "text", "value": "48"}]},
          {"role": "assistant", "content": [{"type": "text", "value": "48."}]}]}],
        ["u: 6*8? | a: <think>\nHm.\n</think>\n\n<tool_call>\n{}\n</tool_call> | t: 48 | a: 48."],
    ),
    Form(
        "BenTsao, literature",
        [{"instruction": " <user>: Hi <bot>: Ho <user>: And?", "input": "", "output": "So."},
         {"instruction": " <user>: Hi", "input": "", "output": "Ho"}],
        ["u: Hi | a: Ho | u: And? | a: So.", "u: Hi | a: Ho"],
    ),
    Form(
        "Hermes, tools said twice",
        [{"conversations": [{"from": "system", "value": "Call <tools>[]</tools>"}, *gpt("Hi", "Ho")], "tools": "[{}]"}],
        ["s: Call <tools>[]</tools> | u: Hi | a: Ho"],
    ),
    Form(
        "miniF2F",
        [{"name": "a", "split": "valid", "informal_prefix": "/-- Show x. -/\n", "formal_statement": "theorem a :=",
          "goal": "g", "header": "import Mathlib"}],
        ["u: Show x. | a: theorem a :="],
    ),
    Form(
        "Lean workbook",
        [{"natural_language_statement": "Show x.", "answer": "", "formal_statement": "theorem a :=", "proof": []}],
        ["u: Show x. | a: theorem a :="],
    ),
    Form(
        "CoT Collection",
        [{"source": "1+1?", "target": "2", "rationale": "Add.", "task": "x", "type": "CoT"}],
        ["u: 1+1? | a: Add.\n\n2"],
    ),
    Form(
        "SNLI, MultiNLI, original",
        [{"gold_label": label, "sentence1": "A cat sits.", "sentence2": "It runs.", "pairID": "x"} for label in ("neutral", "-")],
        ["u: A cat sits.\n\nIt runs. | a: neutral", "! gold_label: '-': those who judged did not agree"],
    ),
    Form(
        "PAWS, WiC: numbers and truth values for words",
        [{"id": "1", "sentence1": "A.", "sentence2": "B.", "label": label} for label in ("0", 1, True)],
        [f"! label: {label} stands for a word that the file does not say" for label in ("0", 1, True)],
    ),
    Form("CValues", [{"prompt": "Hi", "pos_resp": "Ho", "neg_resp": "No"}], ["u: Hi >> Ho << No"]),
    Form("Math23K", [{"original_text": "一加一？", "equation": "x=1+1", "ans": "2"}], ["u: 一加一？ | a: 2"]),
    Form("MGSM, hub", [{"question": "1+1?", "answer": None, "answer_number": 2}], ["u: 1+1? | a: 2"]),
    Form(
        "verl",
        [{"data_source": "math", "prompt": said("1+1?"), "reward_model": {"ground_truth": "2", "style": "rule"}}],
        ["u: 1+1? | a: 2"],
    ),
    Form("APPS", [{"question": "Add.", "solutions": '["print(2)", "print(1+1)"]'}], ["u: Add. | a: print(2)"]),
    Form("MBPP", [{"text": "Add.", "code": "def add(): ...", "test_list": ["x"]}], ["u: Add. | a: def add(): ..."]),
    Form(
        "NumGLUE, a choice among others",
        [{"question": "1+1?", "answer": "2"},
         {"question": "Which?", "options": "Option 1: ice Option 2: iron", "answer": "Option 2"}],
        ["u: 1+1? | a: 2", "! options: a multiple choice among other rows"],
    ),
    Form(
        "OCNLI",
        [{"sentence1": "甲。", "sentence2": "乙。", "label": label, "id": 0} for label in ("neutral", "-")],
        ["u: 甲。\n\n乙。 | a: neutral", "! label: '-': those who judged did not agree"],
    ),
]  # fmt: skip

TEMPLATES = [
    Form(
        "harmony, rendered",
        [
            {
                "text": "<|start|>system<|message|>Be kind.<|end|><|start|>user<|message|>Hi<|end|><|start|>assistant"
                "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Ho<|return|>"
            }
        ],
        ["s: Be kind. | u: Hi | a: <think>\nHm.\n</think>\n\nHo"],
    ),
    Form(
        "harmony, calls rendered",
        [{"text": "<|start|>user<|message|>Hi<|end|><|start|>assistant<|channel|>commentary<|message|>{}<|call|>"}],
        ["! text: a call of a tool in harmony's marks"],
    ),
    Form(
        "harmony, channels",
        [
            {
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "channel": "analysis", "content": "Hm."},
                    {"role": "assistant", "channel": "final", "content": "Ho"},
                ]
            }
        ],
        ["u: Hi | a: <think>\nHm.\n</think>\n\nHo"],
    ),
    Form(
        "harmony, columns",
        [{"developer": "Be kind.", "user": "Hi", "analysis": "Hm.", "final": "Ho there."}],
        ["s: Be kind. | u: Hi | a: <think>\nHm.\n</think>\n\nHo there."],
    ),
    Form(
        "Llama 3, rendered",
        [
            {
                "text": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\nHo<|eot_id|>"
            }
        ],
        ["u: Hi | a: Ho"],
    ),
    Form(
        "Llama 2, rendered",
        [{"text": "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Ho </s><s>[INST] And? [/INST] So </s>"}],
        ["s: Be kind. | u: Hi | a: Ho | u: And? | a: So"],
    ),
    Form(
        "Gemma, rendered",
        [{"text": "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHo<end_of_turn>\n"}],
        ["u: Hi | a: Ho"],
    ),
    Form("Zephyr, rendered", [{"text": "<|user|>\nHi</s>\n<|assistant|>\nHo</s>\n"}], ["u: Hi | a: Ho"]),
    Form(
        "Alpaca, rendered",
        [
            {"text": "Below is an instruction.\n\n### Instruction:\nHi\n\n### Input:\nYou\n\n### Response:\nHo"},
            {"text": "### Instruction:\nHi\n\n### Response:\nHo"},
        ],
        ["s: Below is an instruction. | u: Hi\n\nYou | a: Ho", "u: Hi | a: Ho"],
    ),
    Form(
        "turns of a speaker",
        [{"dialogue": [{"speaker": "user", "text": "Hi"}, {"speaker": "assistant", "text": "Ho"}]}],
        ["u: Hi | a: Ho"],
    ),
    Form("turns of one key", [{"conversations": [{"user": "Hi"}, {"assistant": "Ho"}]}], ["u: Hi | a: Ho"]),
    Form(
        "ORZ",
        [[{"from": "human", "value": "1+1?"}, {"from": "assistant", "ground_truth": {"value": "2", "pass_at_n": 0.5}}]],
        ["u: 1+1? | a: 2"],
    ),
    Form(
        "ORZ, hub",
        [{"0": {"from": "human", "value": "1+1?"}, "1": {"from": "assistant", "ground_truth": {"value": "2"}}}],
        ["u: 1+1? | a: 2"],
    ),
]
_FINQA = {
    "pre_text": ["It earned."],
    "table": [["", "2009"], ["revenue", "5"]],
    "post_text": ["So it was."],
}
_EARNED = "It earned.\n\n | 2009\nrevenue | 5\n\nSo it was.\n\nHow much?"
HERE = [
    Form(
        "FinQA",
        [{**_FINQA, "id": "x", "qa": {"question": "How much?", "answer": "5", "program": "add(5, 0)", "exe_ans": 5.0}}],
        [f"u: {_EARNED} | a: 5"],
    ),
    Form("FinQA, flat", [{**_FINQA, "question": "How much?", "answer": "5"}], [f"u: {_EARNED} | a: 5"]),
    Form("DeepMath", [{"question": "1+1?", "final_answer": "2", "r1_solution_1": "Add: 2."}], ["u: 1+1? | a: Add: 2."]),
    Form("an answer in numbers", [{"problem": "1+1?", "numeric_answer": 2}], ["u: 1+1? | a: 2"]),
    Form("Chinese names", [{"问题": "你好?", "答案": "你好！"}], ["u: 你好? | a: 你好！"]),
    Form(
        "answers that are rated",
        [{"prompt": "Hi", "response": "Ho", "reward": 0.5}],
        ["u: Hi | a: Ho"],
        ("rated-answer",),
    ),
    Form("numbers for labels", [{"text": "Hi", "label": 2}], ["u: Hi | a: 2"], ("number-label",)),
    Form("evaluation sheets", [{"input": "Hi", "expected_output": "Ho there"}], ["u: Hi | a: Ho there"]),
    Form("flash cards", [{"front": "Ice?", "back": "Frozen water."}], ["u: Ice? | a: Frozen water."]),
    Form(
        "Ragas",
        [{"user_input": "Q?", "retrieved_contexts": ["One.", "Two."], "response": "So."}],
        ["u: One.\n\nTwo.\n\nQ? | a: So."],
    ),
    Form("PaLM", [{"input_text": "Hi", "output_text": "Ho"}], ["u: Hi | a: Ho"]),
    Form(
        "Cohere",
        [{"messages": [{"role": "User", "content": "Hi"}, {"role": "Chatbot", "content": "Ho"}]}],
        ["u: Hi | a: Ho"],
    ),
    Form(
        "Gemini with a system prompt",
        [
            {
                "systemInstruction": {"role": "system", "parts": [{"text": "Be kind."}]},
                "contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Ho"}]}],
            }
        ],
        ["s: Be kind. | u: Hi | a: Ho"],
    ),
    Form(
        "answers as lists of one",
        [
            {"prompt": "Hi", "chosen": ["Ho"], "rejected": ["No"]},
            {"prompt": "Hi", "chosen": "Ho", "rejected": ["No", "Go"]},
        ],
        ["u: Hi >> Ho << No", "! rejected: 2 answers, expected one"],
    ),
    Form(
        "two languages",
        [{"id": 1, "en": "Hi", "de": "Hallo"}, {"en": "Ho", "de": "So"}],
        ["u: Hi | a: Hallo", "u: Ho | a: So"],
    ),
    Form("source and target", [{"src": "Hi", "tgt": "Hallo"}], ["u: Hi | a: Hallo"]),
    Form("accepted and rejected", [{"prompt": "Hi", "accepted": "Ho", "rejected": "No"}], ["u: Hi >> Ho << No"]),
    Form("winner and loser", [{"prompt": "Hi", "winner": "Ho", "loser": "No"}], ["u: Hi >> Ho << No"]),
    Form(
        "two answers and a letter",
        [
            {"prompt": "Hi", "response_a": "Ho", "response_b": "No", "preference": "A"},
            {"prompt": "Hi", "response_a": "No", "response_b": "Ho", "preference": "response_b"},
            {"prompt": "Hi", "response_a": "Ho", "response_b": "No", "preference": "tie"},
        ],
        ["u: Hi >> Ho << No", "u: Hi >> Ho << No", "! preference: 'tie': both answers are rated alike"],
    ),
    Form(
        "answers and scores", [{"prompt": "Hi", "responses": ["No", "Ho"], "scores": [0, 1.5]}], ["u: Hi >> Ho << No"]
    ),
    Form("answers and ranks", [{"prompt": "Hi", "responses": ["Ho", "No"], "ranks": [0, 1]}], ["u: Hi >> Ho << No"]),
    Form(
        "SQL by other names",
        [{"nl": "How many?", "schema": _DOG, "sql": "SELECT 1"}],
        [f"u: {_DOG}\n\nHow many? | a: SELECT 1"],
    ),
    Form(
        "SQL, statement",
        [{"question": "How many?", "create_table_statement": _DOG, "sql_query": "SELECT 1"}],
        [f"u: {_DOG}\n\nHow many? | a: SELECT 1"],
    ),
    Form(
        "SQL, schema as input",
        [{"instruction": "How many?", "input": _DOG, "response": "SELECT 1"}],
        [f"u: {_DOG}\n\nHow many? | a: SELECT 1"],
    ),
    Form(
        "BIRD with its schema",
        [{"db_id": "d", "question": "How many?", "evidence": "All.", "SQL": "SELECT 1", "schema": _DOG}],
        [f"u: {_DOG}\n\nAll.\n\nHow many? | a: SELECT 1"],
    ),
    Form("VitaminC", [{"claim": "C.", "evidence": "E.", "label": "REFUTES"}], ["u: E.\n\nC. | a: REFUTES"]),
    Form(
        "QNLI, in words",
        [{"question": "Q?", "sentence": "S.", "label": "not_entailment"}],
        ["u: S.\n\nQ? | a: not_entailment"],
    ),
]
_W_TOOLS = {"winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0}
OTHERS = [
    Form("XTuner toy", [{"messages": [{"toy_system": "S.", "toy_input": "Hi", "toy_output": "Ho"}]}], ["s: S. | u: Hi | a: Ho"]),
    Form(
        "XTuner pre-training",
        [{"conversation": [{"input": "", "output": "A text."}]}],
        ["= A text."],
    ),
    Form("HuatuoGPT", [{"data": ["问：你好", "答：你好！"]}], ["u: 你好 | a: 你好！"]),
    Form(
        "Huatuo, encyclopedia",
        [{"questions": [["Q1?", "Q2?"]], "answers": ["One."]}, {"questions": ["Q?"], "answers": ["Two."]}],
        ["u: Q1? | a: One.", "u: Q2? | a: One.", "u: Q? | a: Two."],
    ),
    Form(
        "questions and answers below a passage",
        [
            {"passage": "P.", "questions": [{"question": "Q?", "answer": "One."}]},
            {"context": "P.", "questions": ["Q?"], "answers": ["One."]},
            {"text": "P.", "qa": [{"question": "Q?", "answer": "One."}]},
            {"context": "P.", "qa_pairs": [{"question": "Q?", "answer": "One."}]},
        ],
        ["u: P.\n\nQ? | a: One."] * 4,
    ),
    Form(
        "lists of questions and answers that do not fit",
        [{"context": "P.", "questions": ["Q?", "R?"], "answers": ["One."]}],
        ["! answers: 1 answers to 2 questions"],
    ),
    Form(
        "QuAC, hub",
        [
            {
                "background": "b",
                "context": "P.",
                "turn_ids": ["1", "2"],
                "questions": ["Q?", "R?"],
                "followups": [2, 2],
                "answers": {"texts": [["One."], ["Two."]], "answer_starts": [[0], [0]]},
            }
        ],
        ["u: P.\n\nQ? | a: One. | u: R? | a: Two."],
        ("unread background",),
    ),
    Form(
        "TAT-QA",
        [
            {
                "table": {"uid": "x", "table": [["", "2019"], ["rev", "5"]]},
                "paragraphs": [{"uid": "p", "order": 1, "text": "Words."}],
                "questions": [{"uid": "q", "question": "How much?", "answer": ["5"], "derivation": "", "scale": ""}],
            }
        ],
        ["u: Words.\n\n | 2019\nrev | 5\n\nHow much? | a: 5"],
    ),
    Form(
        "FeTaQA",
        [{"table_page_title": "T", "table_section_title": "S", "table_array": [["a", "b"]], "question": "Q?", "answer": "One."}],
        ["u: T\n\nS\n\na | b\n\nQ? | a: One."],
    ),
    Form(
        "NarrativeQA",
        [{"document": {"id": "1", "text": "A tale."}, "question": {"text": "Q?", "tokens": ["Q"]}, "answers": [{"text": "One."}]}],
        ["u: A tale.\n\nQ? | a: One."],
    ),
    Form("PopQA", [{"question": "Q?", "possible_answers": '["one", "1"]'}], ["u: Q? | a: one"], ("first-of-answers",)),
    Form("COIG, values", [{"instances": [{"instruction": "Hi", "input": "", "output": "Ho"}]}], ["u: Hi | a: Ho"]),
    Form("P3", [{"inputs": [1, 2], "inputs_pretokenized": "Hi?", "targets": [3], "targets_pretokenized": "Ho."}], ["u: Hi? | a: Ho."]),
    Form("CAMEL", [{"topic": "x", "message_1": "Hi?", "message_2": "Ho there."}], ["u: Hi? | a: Ho there."]),
    Form("Glaive v1", [{"sample": "SYSTEM: S.\nUSER: Hi\nASSISTANT: Ho"}], ["s: S. | u: Hi | a: Ho"]),
    Form(
        "HelpSteer3, feedback",
        [{"context": [*said("Hi", "Ho"), *said("And?")[:1]], "response": "So.", "feedback": ["Good."]}],
        ["u: Hi | a: Ho | u: And? | a: So."],
        ("unread feedback",),
    ),
    Form(
        "arena, 55k",
        [{"prompt": '["Hi"]', "response_a": '["Ho"]', "response_b": '["No"]', **won}
         for won in (_W_TOOLS, {**_W_TOOLS, "winner_model_a": 0, "winner_model_b": 1}, {**_W_TOOLS, "winner_model_a": 0, "winner_tie": 1})],
        ["u: Hi >> Ho << No", "u: Hi >> No << Ho", "! winner: 'tie': both answers are rated alike"],
    ),
    Form(
        "TL;DR, preferences",
        [{"info": {"id": "x", "post": "A post."}, "summaries": [{"text": "One."}, {"text": "Two."}], "choice": 1}],
        ["u: A post. >> Two. << One."],
    ),
    Form(
        "ELI5",
        [{"title": "Why?", "selftext": "", "answers": {"text": ["So.", "Hm."], "score": [5, 2]}}],
        ["u: Why? >> So. << Hm."],
    ),
    Form("Skywork-OR1", [{"prompt": said("1+1?")[:1], "reward_model": {"ground_truth": '["2"]', "style": "rule"}}], ["u: 1+1? | a: 2"]),
    Form("MultiArith, LILA", [{"question": "1+1?", "final_ans": "2"}, {"input": "1+1?", "output_answer": "2"}], ["u: 1+1? | a: 2"] * 2),
    Form(
        "ProntoQA, one a row",
        [{"question": "Each cat is big.", "query": "True or false: Tom is big.", "chain_of_thought": ["x"], "answer": "False"}],
        ["Each cat is big. ? True or false: Tom is big. [True / False] B"],
        ("unread chain_of_thought",),
    ),
    Form(
        "ProofWriter, one a row",
        [{"id": f"AttNeg-{world}-D0-1", "theory": "Ann is big.", "question": "Ann is red.", "answer": answer, "QDep": 0}
         for world, answer in (("OWA", "Unknown"), ("CWA", "False"))],
        ["Ann is big. ? Ann is red. [True / False / Unknown] C", "Ann is big. ? Ann is red. [True / False] B"],
    ),
    Form("steps of thought in a list", [{"question": "1+1?", "cot": ["Add.", "Two."], "answer": "2"}], ["u: 1+1? | a: Add.\nTwo.\n\n2"]),
    Form("WANLI", [{"premise": "P.", "hypothesis": "H.", "gold": "neutral"}], ["u: P.\n\nH. | a: neutral"]),
    Form(
        "TabFact",
        [{"table_text": "a#b", "statement": "S.", "label": 1}],
        ["! label: 1 stands for a word that the file does not say"],
    ),
    Form("MALLS", [{"NL": "All cats are big.", "FOL": "∀x (Cat(x) → Big(x))"}], ["u: All cats are big. | a: ∀x (Cat(x) → Big(x))"]),
    Form("MMA", [{"nl_problem": "Show x.", "fl_problem": "theorem a :="}], ["u: Show x. | a: theorem a :="]),
    Form("NuminaMath-LEAN", [{"problem": "Show x.", "answer": "proof", "formal_statement": "theorem a :="}], ["u: Show x. | a: theorem a :="]),
    Form("SQL, set up", [{"prompt": "How many?", "setup_sql": _DOG, "query": "SELECT 1"}], [f"u: {_DOG}\n\nHow many? | a: SELECT 1"]),
    Form(
        "QuALITY",
        [{"article": "A tale.", "questions": [{"question": "Why?", "options": ["ice", "iron", "sand"], "writer_label": 2, "gold_label": 2}]}],
        ["A tale. ? Why? [ice / iron / sand] B"],
    ),
    Form(
        "RACE, questions in a text",
        [{"article": "A tale.", "problems": "[{'question': 'Why?', 'answer': 'B', 'options': ['ice', 'iron', 'sand']}]"}],
        ["A tale. ? Why? [ice / iron / sand] B"],
    ),
    Form(
        "ZebraLogic, grid withheld",
        [{"puzzle": "One house.", "solution": {"header": ["House"], "rows": [["___"]]}}],
        ["! solution: withheld by its set"],
    ),
    Form(
        "two answers and a score each, or a number",
        [
            {"prompt": "Hi", "response_1": "Ho", "response_2": "No", "score_1": 5, "score_2": 1},
            {"prompt": "Hi", "response_a": "No", "response_b": "Ho", "score_a": 1, "score_b": 1.5},
            {"prompt": "Hi", "answer_0": "No", "answer_1": "Ho", "score_0": 1, "score_1": 1},
            {"question": "Hi", "answer1": "No", "answer2": "Ho", "better": 2},
        ],
        ["u: Hi >> Ho << No", "u: Hi >> Ho << No", "! score_0: both answers are rated alike", "u: Hi >> Ho << No"],
    ),
    Form(
        "TREC, CLINC",
        [{"text": "Q?", "coarse_label": 1, "fine_label": 3}, {"text": "Q?", "intent": 12}],
        ["! coarse_label: numbers stand for words", "! intent: numbers stand for words"],
    ),
    Form(
        "labels and their words",
        [{"text": "Q?", "label": 1, "label_text": "card"}, {"sentence": "甲。", "label": "102", "label_desc": "news"}],
        ["u: Q? | a: card", "u: 甲。 | a: news"],
    ),
    Form(
        "speakers, user and system",
        [{"turns": [{"speaker": "USER", "utterance": "Hi"}, {"speaker": "SYSTEM", "utterance": "Ho"}]}],
        ["u: Hi | a: Ho"],
    ),
    Form("a text and a list", [{"chosen": "Ho there", "rejected": ["No"]}], ["! prompt: missing field"]),
    Form(
        "MT-bench",
        [
            {"question_id": 81, "category": "x", "turns": ["Hi", "And?"], "reference": ["Ho", "So."]},
            {"question_id": 82, "turns": ["Hi", "And?"]},
            {"question_id": 83, "turns": ["Hi", "And?"], "reference": ["Ho"]},
        ],
        ["u: Hi | a: Ho | u: And? | a: So.", "! turns: a user's turns without answers", "! reference: 1 answers to 2 turns"],
    ),
    Form("LiveBench", [{"turns": ["Solve it."], "ground_truth": "yes, no", "task": "x"}], ["u: Solve it. | a: yes, no"]),
    Form(
        "dolphin-r1",
        [{"messages": [{"role": "system", "content": "S."}, *said("Hi")], "reasoning": "Hm.", "answer": "Ho.", "model": "m"}],
        ["s: S. | u: Hi | a: <think>\nHm.\n</think>\n\nHo."],
        ("kept-reasoning",),
    ),
    Form("R1-Distill", [{"problem": "1+1?", "reannotated_assistant_content": "<think>x</think>2", "solution": "2"}],
         ["u: 1+1? | a: <think>x</think>2"]),
    Form(
        "s1K, tokenized",
        [{"text": "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<|im_start|>think\nHm.\n<|im_start|>answer\nHo.<|im_end|>"}],
        ["u: Hi | a: <think>\nHm.\n</think>\n\nHo."],
    ),
    Form(
        "a turn of nobody",
        [{"messages": [{"content": "Hi"}, {"content": "Ho"}]}],
        ["! messages[0]: a turn that does not say whose it is, with content"],
    ),
    Form(
        "keys that disagree",
        [{"question": "Which?", "options": ["ice", "iron", "sand"], "label": label, "answer": "C"} for label in (0, 2, 3)],
        ["! answer: the keys disagree: answer says C, label says 0", *2 * [" ? Which? [ice / iron / sand] C"]],
    ),
]  # fmt: skip
_STEPS = "steps that are rated one by one (process rewards): no kind of work here learns from ratings of steps"
REFUSED = [
    Form(
        "PRM800K",
        [{"question": {"problem": "1+1?"}, "label": {"steps": [{"completions": [{"text": "Add.", "rating": 1}]}]}}],
        [f"! label.steps: {_STEPS}"],
    ),
    Form(
        "Math-Shepherd",
        [{"input": "1+1? Step 1: Add. ки", "label": "1+1? Step 1: Add. +", "task": "GSM8K"}],
        [f"! label: {_STEPS}"],
    ),
    Form(
        "ProcessBench",
        [{"problem": "1+1?", "steps": ["Add."], "final_answer_correct": True, "label": -1}],
        [f"! steps: {_STEPS}"],
    ),
    Form(
        "HC3",
        [{"question": "Q?", "human_answers": ["One."], "chatgpt_answers": ["Two."]}],
        ["! human_answers: answers by people beside answers by a model: say which"],
    ),
    Form(
        "retrieval",
        [{"query": "Q?", "pos": ["One."], "neg": ["Two."]}],
        ["! pos: texts to be found for a query (retrieval, embeddings)"],
    ),
    Form(
        "QQP",
        [{"question1": "A?", "question2": "B?", "label": 0}],
        ["! label: numbers stand for words that the file does not say: name them: --column premise=question1"],
    ),
    Form(
        "QNLI",
        [{"question": "Q?", "sentence": "S.", "label": 0}],
        ["! label: numbers stand for words that the file does not say: name them: --column premise=sentence"],
    ),
    Form(
        "SST-2, CoLA",
        [{"sentence": "S.", "label": 1}],
        ["! label: numbers stand for words that the file does not say: name them: --column text=sentence"],
    ),
    Form(
        "STS-B",
        [{"sentence1": "A.", "sentence2": "B.", "label": 3.8}],
        ["! label: 3.8: a degree of likeness in numbers (regression)"],
    ),
    Form(
        "likeness, scored",
        [{"sentence1": "A.", "sentence2": "B.", "score": 1}],
        ["! score: a degree of likeness in numbers (regression)"],
    ),
    Form(
        "several labels",
        [{"text": "T.", "labels": [2, 3]}],
        ["! labels: several labels for a text (multi-label classification)"],
    ),
    Form("SQL without a schema", [{"question": "How many?", "sql": "SELECT 1"}], ["! sql: a query without its schema"]),
    Form(
        "cloze",
        [{"article": "A _ fell on _.", "options": [["x", "y"], ["u", "v"]], "answers": ["A", "B"]}],
        ["! options: options for several blanks of one passage"],
    ),
    Form(
        "ChatGPT, export",
        [{"title": "T", "mapping": {"a": {"message": {"author": {"role": "user"}}, "parent": None}}}],
        ["! mapping: a chat service's export"],
    ),
    Form(
        "calls of an API",
        [{"custom_id": "1", "params": {"messages": said("Hi")}}],
        ["! params: calls of an API, not examples"],
    ),
    Form(
        "FEVER",
        [{"claim": "C.", "label": "SUPPORTS", "evidence": [[[1, 2, "Rome", 0]]]}],
        ["! evidence: evidence that names pages"],
    ),
    Form(
        "answers of which none is better",
        [{"prompt": "Hi", "responses": ["Ho", "No"]}],
        ["! responses: several answers, and nothing says which is the better"],
    ),
]

FILES = {
    "CoNLL 2003": (
        "a.txt",
        "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nAnn NNP B-NP B-PER\n",
        ["u: EU rejects | a: EU\tB-ORG\nrejects\tO", "u: Ann | a: Ann\tB-PER"],
    ),
    "a document a line": (
        "a.txt",
        f"{'One. ' * 50}\n{'Two. ' * 50}\n",
        [f"= {('One. ' * 50).strip()}", f"= {('Two. ' * 50).strip()}"],
    ),
    "wrapped text": ("a.txt", "A line\nand its end.\n\nA second.\n", ["= A line\nand its end.", "= A second."]),
}
GROUPS = {
    "Dialogues": DIALOGUES,
    "Signs of quality": SIGNS,
    "Reasoning": REASONING,
    "Tools": TOOLS,
    "Preferences": PREFERENCES,
    "Rated answers": RATED,
    "Questions and answers": ASKED,
    "SQL": SQL,
    "True, false, entailed": TRUTH,
    "Several in a row": NESTED,
    "Forms of one set": THEIRS,
    "More sets": STRANGERS,
    "Rendered templates and other turns": TEMPLATES,
    "Other names": HERE,
    "Forms of others": OTHERS,
    "Refused": REFUSED,
}
FORMS = [form for forms in GROUPS.values() for form in forms]


def page() -> str:
    """The tables of docs/forms.md: each form's columns and what its rows become."""
    parts = []
    for title, forms in GROUPS.items():
        rows = [f"| {form.name} | {_columns(form.rows[0])} | {_outcome(form)} |" for form in forms]
        parts += [f"## {title}", "", "| Form | Columns | Becomes |", "|---|---|---|", *rows, ""]
    return "\n".join(parts).rstrip() + "\n"


def _columns(row: Any) -> str:
    names = row if isinstance(row, dict) else ["a list of turns"]
    return ", ".join(f"`{name}`" for name in names if isinstance(row, dict)) or "a list of turns"


def _outcome(form: Form) -> str:
    """What records are, in a word each, and why rows are none."""
    kinds = {"=": "text", "!": ""}
    words = []
    for line in form.becomes:
        rejected = line.startswith("!")
        word = f"rejected, {line[2:]}" if rejected else kinds.get(line[0]) or _word(line)
        words.append(word.replace("|", "/"))
    notes = [note for note in form.notes if note.startswith("unread ")]
    told = f"; told: {', '.join(notes)}" if notes else ""
    return "; ".join(dict.fromkeys(words)) + told


def _word(line: str) -> str:
    if " >> " in line:
        return "preference"
    if " ? " in line and line.endswith(tuple(f"] {letter}" for letter in "ABC")):
        return "question"
    turns = len(re.findall(r"(?:\A| \| )[usat]: ", line))
    learnt = line.count("| a: ")
    return "dialogue" if turns > 2 + line.startswith("s:") or learnt > 1 else "question and answer"


def write(docs: Path) -> None:
    """Write docs/forms.md and the tables of docs/formats.md anew; the words around them stay."""
    forms, formats = docs / "forms.md", docs / "formats.md"
    head = forms.read_text("utf-8").partition(f"## {next(iter(GROUPS))}")[0]
    forms.write_text(head + page(), "utf-8")
    lines = formats.read_text("utf-8").splitlines()
    for table in (declared.page(), sets_of_the_page()):
        start = lines.index(table[0])
        end = next(n for n in range(start, len(lines)) if not lines[n].startswith("|"))
        lines[start:end] = table
    formats.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[1] / "docs")
