"""Each format by itself: its rows are told from others', read, and rejected for the right reason."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.dialogues import Dialogue, Preference, Record
from storage.records import Question, Rejected, UsageError
from storage.sources import readers, source
from storage.sources.formats.choice_sets import SETS
from storage.sources.source_warnings import Oddities
from tests import choices
from tests.samples import PAIRS, SCHEMA, Row, Told, summary

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the sample datasets are not beside this checkout")
relaxed = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

OPTIONS = ["x", "y", "z"]
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
SPIDER = {
    "db_id": "dogs",
    "table_names_original": ["dog", "bone"],
    "column_names_original": [[-1, "*"], [0, "Name"], [1, "Own er"]],
    "column_types": ["text", "text", "text"],
    "foreign_keys": [[2, 1]],
}
ROWS: dict[str, Row] = {
    "competition": {"problem": "p", "questions": [{"question": "q", "options": OPTIONS, "answer": "A"}]},
    "ar-lsat": {"id": "1", "passage": "p", "questions": [{"question": "q", "options": OPTIONS, "answer": "B"}]},
    "logiqa": {"text": "a\np\nq\nA.w\nB.x\nC.y\nD.z"},
    "folio": {"premises": ["p"], "premises-FOL": ["P"], "conclusion": "q", "label": "Unknown", "example_id": 3},
    **{chosen.name: choices.ROWS[chosen.name] for chosen in SETS},
    "rated": {"prompt": "Hi", "answers": [{"answer": "Hm", "rank": 2.0}, {"answer": "Ho", "rank": 1.0}]},
    "preference": {"prompt": "Hi", "chosen": "Ho", "rejected": "Hm"},
    "messages": {"messages": TURNS},
    "sharegpt": {"id": "1", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]},
    "alpaca": {"instruction": "Say", "input": "it", "output": "said"},
    "proofnet": {
        "id": "R|1",
        "nl_statement": "s",
        "formal_statement": "theorem :=",
        "src_header": "h",
        "nl_proof": "p",
    },
    "knights": {
        "quiz": "Who?",
        "names": ["Ann"],
        "solution": [True],
        "cot_head": "Think.",
        "cot_repeat_steps": ["So."],
        "cot_foot": "Done.",
        "solution_text_format": "(1) Ann is a knight",
    },
    "sql": {"question": "How many?", "context": SCHEMA, "answer": "SELECT 1", "db_id": "dogs"},
    "spider": {"db_id": "dogs", "question": "How many?", "query": "SELECT 1"},
    "bird": {"db_id": "dogs", "question": "How many?", "evidence": "All.", "SQL": "SELECT 1"},
    "sparc": {"database_id": "dogs", "interaction": [{"utterance": "How many?", "query": "SELECT 1"}]},
    "wikisql-text": {"text": "table: 1-1\ncolumns: No., Name\nQ: Which?\nA: SELECT No. FROM 1-1"},
    "spider-tables": SPIDER,
    "wikisql": {
        "question": "Which?",
        "table": {"id": "1", "header": ["No."], "types": ["text"]},
        "sql": {"sel": 0, "agg": 0, "conds": [[0, 0, "x"]]},
    },
    "threads": {"prompt": {"text": "Hi", "role": "prompter", "replies": [{"text": "Ho", "role": "assistant"}]}},
    "truth": {"context": "It is.", "questions": [{"text": "Is it?", "label": True}]},
    "nested": {"passage": "Ann sat.", "qa_pairs": [{"question": "Who?", "answer": {"spans": ["Ann"]}}]},
    "moss": {"chat": {"turn_1": {"Human": "<|Human|>: Hi<eoh>", "MOSS": "<|MOSS|>: Ho<eom>"}}},
    "cail2018": {"fact": "f", "meta": {"accusation": ["theft"]}},
    "tagging": {"tokens": ["Ann", "sleeps"], "ner_tags": ["B-PER", 0]},
    "conll": {"text": "Ann NNP B-PER\nsat VBD O"},
    "triples": {"subject": "Ann", "predicate": "knows", "object": "Bo"},
    "prompt-completion": {"prompt": "Hi", "completion": "Ho"},
    "question-answer": {"question": "Hi?", "answer": "Ho", "context": "A passage."},
    "translation": {"translation": {"en": "Hi", "de": "Ho"}},
    "classification": {"text": "Hi", "label": 1},
    "summary": {"document": "Hi and so on", "summary": "Hi"},
    "no-kind": {"query": "Who?", "pos": ["Ann."], "neg": ["Bo."]},
    "text": {"text": "Hi", "url": "x"},
}


HOLDS_MANY = ("competition", "ar-lsat", "sharegpt", "threads", "truth", "nested")  # records in a row


def read(
    row: object, name: str, folder: Path = Path(), columns: Row | None = None, first: int | None = None
) -> list[Record | Rejected]:
    file = folder / "data.jsonl"
    file.write_bytes(orjson.dumps(row) + b"\n")
    return list(readers.read([("data.jsonl", file)], [readers.FORMATS[name]], columns, first))


def only(row: Row, name: str, folder: Path) -> Record:
    (found,) = read(row, name, folder)
    assert not isinstance(found, Rejected), found
    return found


def test_every_format_has_a_sample_here():
    assert list(readers.FORMATS) == list(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_known_to_its_format_and_to_no_other(name):
    assert [other for other, format in readers.FORMATS.items() if format.sniff(ROWS[name])] == [name]


@pytest.mark.parametrize("name", [name for name in ROWS if name != "no-kind"])
def test_a_row_becomes_one_record_of_its_place(tmp_path, name):
    (tmp_path / "tables.json").write_bytes(orjson.dumps([SPIDER]))
    record = only(ROWS[name], name, tmp_path)

    assert (record.file, record.line) == ("data.jsonl", 1)
    assert len(record.id) == len(record.group) == 16
    assert record.language == "en"


@pytest.mark.parametrize("name", PAIRS)
@relaxed
@given(data=st.data())
def test_whatever_a_row_says_is_what_is_read(tmp_path, name, data):
    rows: list[tuple[Row, Told]] = data.draw(st.lists(PAIRS[name], min_size=1, max_size=4))
    file = tmp_path / "data.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row, _ in rows))
    files = source.files([file])
    found = list(readers.read(files))

    assert [format.name for format in readers.formats_of(files)] == [name]
    assert [told for _, told in rows] == [f if isinstance(f, Rejected) else summary(f) for f in found]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text() | st.sampled_from("AB"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, name: str) -> Any:
    """A good row in which one value, somewhere, is anything at all, or gone."""
    row = orjson.loads(orjson.dumps(ROWS[name]))
    place = row
    while True:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
        elif draw(st.booleans()):
            place[key] = draw(JSON)
            return row
        else:
            del place[key]
            return row


@pytest.mark.parametrize("name", ROWS)
@relaxed
@given(data=st.data())
def test_a_damaged_row_is_a_record_or_a_reject_and_never_more(tmp_path, name, data):
    row = data.draw(damaged(name) | JSON)
    found = read(row, name, tmp_path, first=0)
    oddities = Oddities()
    for item in found:
        oddities.see(item)
    oddities.warnings()
    is_file = isinstance(row, list) and all(isinstance(one, dict) for one in row)  # the only line holds all rows

    assert len(found) == 1 or name in HOLDS_MANY or is_file
    assert is_file or all(item.line == 1 for item in found)


@pytest.mark.parametrize(
    ("name", "changes", "field", "reason"),
    [
        ("logiqa", {"text": "a\np\nq\nA.w\nB.x\nC.y"}, "block", "6 lines, expected 7"),
        ("logiqa", {"text": "e\np\nq\nA.w\nB.x\nC.y\nD.z"}, "answer", "none of the letters ABCD"),
        ("logiqa", {"text": "a\np\nq\nw\nx\ny\nz"}, "options", "no option begins with its letter"),
        ("logiqa2", {"answer": 5}, "answer", "answer 5 is none of the options 0 to 3"),
        ("folio", {"label": "Maybe"}, "label", "label 'Maybe' is none of True, False, Unknown"),
        ("folio", {"label": True}, "label", "expected text, found true or false"),
        ("folio", {"premises": [" "]}, "premises", "empty premises"),
        ("messages", {"messages": []}, "messages", "no turn of a user"),
        ("messages", {"messages": TURNS[:1]}, "messages", "no answer of an assistant"),
        (
            "messages",
            {"messages": [{"role": "oracle", "content": "x"}]},
            "messages[0].role",
            "role 'oracle' is none of",
        ),
        ("messages", {"messages": [{"role": "user", "content": 7}]}, "messages[0].content", "found a number"),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages[0].content[0]",
            "a part of type 'image_url', and this release is text only",
        ),
        (
            "messages",
            {"messages": [*TURNS, {"role": "assistant", "content": None, "tool_calls": [{}]}]},
            "messages[2].tool_calls",
            "a call of a tool without the name of a function",
        ),
        ("messages", {"messages": [*TURNS, {**TURNS[1], "train": "no"}]}, "messages[2].train", "neither true nor"),
        ("messages", {"messages": [*TURNS, {"role": "system", "content": "x"}, *TURNS]}, "messages", "a system turn"),
        ("sharegpt", {"conversations": [{"from": "ai", "value": "x"}]}, "conversations[0].from", "role 'ai' is none"),
        ("sharegpt", {"conversations": [{"from": "human"}]}, "conversations[0].value", "found null"),
        ("alpaca", {"output": " "}, "output", "empty output"),
        ("alpaca", {"instruction": "", "input": ""}, "instruction", "empty instruction"),
        ("alpaca", {"history": [["x"]]}, "history[0]", "not a pair of turns"),
        ("alpaca", {"instruction": "x\ufffd"}, "instruction", "U+FFFD"),
        ("preference", {"rejected": "Ho"}, "rejected", "the same as chosen"),
        ("preference", {"prompt": None}, "prompt", "no turn of a user"),
        ("proofnet", {"formal_statement": ""}, "formal_statement", "empty formal_statement"),
        ("knights", {"solution": [True, False]}, "solution", "true or false for each of 1 names"),
        ("spider", {"db_id": "cats"}, "db_id", "no schema 'cats' in tables.json beside the file"),
        ("spider-tables", {"column_types": []}, "column_names_original", "do not fit each other"),
        ("tagging", {"ner_tags": ["O"]}, "ner_tags", "1 labels for 2 tokens"),
        ("triples", {"object": ""}, "object", "empty object"),
        ("translation", {"translation": {"en": "Hi"}}, "translation", "each of two languages"),
        ("classification", {"label": None}, "label", "found null"),
        ("question-answer", {"answer": [["x", {}]]}, "answer[0][1]", "expected an answer, found an object"),
    ],
)
def test_a_reject_names_field_and_reason(tmp_path, name, changes, field, reason):
    (tmp_path / "tables.json").write_bytes(orjson.dumps([SPIDER]))
    (found,) = read({**ROWS[name], **changes}, name, tmp_path)

    assert isinstance(found, Rejected)
    assert (found.file, found.line, found.field) == ("data.jsonl", 1, field)
    assert reason in found.reason


def test_a_spider_row_without_its_tables_says_so(tmp_path):
    (found,) = read(ROWS["spider"], "spider", tmp_path)

    assert isinstance(found, Rejected) and found.reason.startswith("no tables.json lies beside the file")


def test_spiders_schema_is_said_with_its_foreign_keys(tmp_path):
    (tmp_path / "tables.json").write_bytes(orjson.dumps([SPIDER]))
    record = only(ROWS["spider"], "spider", tmp_path)

    assert isinstance(record, Dialogue)
    assert record.messages[0].content == (
        'CREATE TABLE dog (Name TEXT); CREATE TABLE bone ("Own er" TEXT, '
        'FOREIGN KEY ("Own er") REFERENCES dog(Name))\n\nHow many?'
    )
    assert record.about["db_id"] == "dogs"
    assert record.group == only(ROWS["spider-tables"], "spider-tables", tmp_path).group


@pytest.mark.parametrize(
    ("options", "expected", "odd"),
    [
        (["A.w", "B．x", "C，y", "d. z"], ("w", "x", "y", "z"), False),
        (["A、w", "C:y", "B：x", "D z"], ("w", "x", "y", "z"), False),
        (["A.w", "In the B.NEC game", "C.y", "D.z"], ("w", "In the B.NEC game", "y", "z"), True),
    ],
    ids=["marks", "order", "moved"],
)
def test_a_label_is_read_whatever_its_mark_and_order(tmp_path, options, expected, odd):
    record = only({"text": "\n".join(["b", "p", "q", *options])}, "logiqa", tmp_path)

    assert isinstance(record, Question)
    assert (record.options, record.answer) == (expected, "B")
    assert record.notes == (("stray-label",) if odd else ())


def test_uncertain_is_folios_other_word_for_unknown(tmp_path):
    record = only({**ROWS["folio"], "label": "Uncertain"}, "folio", tmp_path)

    assert isinstance(record, Question) and record.answer == "C"


def test_an_alpaca_row_says_instruction_input_history_and_system(tmp_path):
    record = only({**ROWS["alpaca"], "history": [["Hi", "Ho"]], "system": "Be kind."}, "alpaca", tmp_path)

    expected = ("system", "Be kind."), ("user", "Hi"), ("assistant", "Ho"), ("user", "Say\n\nit"), ("assistant", "said")
    assert summary(record) == ("chat", *((role, text, True) for role, text in expected))


def test_nested_conversations_are_a_dialogue_each_and_a_bad_one_goes_alone(tmp_path):
    good = ROWS["sharegpt"]["conversations"]
    found = read({"conversations": [good, [{"from": "gpt", "value": "x"}], good]}, "sharegpt", tmp_path)

    assert [type(item) for item in found] == [Dialogue, Rejected, Dialogue]
    assert found[1].field == "conversations[1]"  # type: ignore[union-attr]


def test_a_row_may_be_the_conversation_itself(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(orjson.dumps([ROWS["sharegpt"]["conversations"]] * 2))

    assert [type(item) for item in readers.read(source.files([file]))] == [Dialogue] * 2


def test_prompt_and_answers_may_be_messages(tmp_path):
    both = {"chosen": [*TURNS, TURNS[0], {"role": "assistant", "content": "yes"}]}
    both["rejected"] = [*TURNS, TURNS[0], {"role": "assistant", "content": "no"}]
    found = only(both, "preference", tmp_path)
    row = {"prompt": TURNS[:1], "completion": [{**TURNS[1], "weight": 0}]}

    assert isinstance(found, Preference)
    assert ([m.content for m in found.prompt], found.chosen, found.rejected) == (["Hi", "Ho", "Hi"], "yes", "no")
    assert found == only({**both, "prompt": both["chosen"][:3]}, "preference", tmp_path)
    assert found == only({**both, "prompt": both["chosen"][:3], "system": ""}, "preference", tmp_path)
    with_system = only({**both, "prompt": both["chosen"][:3], "system": "Be brief."}, "preference", tmp_path)
    assert isinstance(with_system, Preference)
    assert [m.content for m in with_system.prompt] == ["Be brief.", "Hi", "Ho", "Hi"]
    assert summary(only(row, "prompt-completion", tmp_path))[2] == ("assistant", "Ho", False)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"prompt": "ask", "completion": "reply.text"}, ("instruction", ("user", "Q", True), ("assistant", "R", True))),
        ({"source": "ask", "target": "reply.text"}, ("translation", ("user", "Q", True), ("assistant", "R", True))),
        ({"text": "a.b"}, ("text", "T")),
    ],
)
def test_a_users_own_columns_are_read_without_code(tmp_path, columns, expected):
    file = tmp_path / "a.jsonl"
    file.write_bytes(orjson.dumps({"ask": "Q", "reply": {"text": "R"}, "a.b": "T", "image": "x.png"}))
    (found,) = readers.read(source.files([file]), columns=columns)

    assert not isinstance(found, Rejected)
    assert summary(found) == expected


def test_a_row_without_a_mapped_column_is_a_reject(tmp_path):
    columns = {"prompt": "ask", "completion": "reply.text"}
    (found,) = read({"ask": "Q", "reply": {}}, "prompt-completion", tmp_path, columns)

    assert isinstance(found, Rejected) and (found.field, found.reason) == ("reply.text", "missing field")


def test_images_are_refused_with_a_clear_word(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"image": "a.png", "text": "a dog"}\n')

    with pytest.raises(UsageError, match="this release is text only"):
        list(readers.read(source.files([file])))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"foo": 1, "bar": 2}', "a.jsonl with columns foo, bar"),
        (b'{"foo": "0]}", "bar": 2}\n{"foo": "1]", "bar": 2}', "a.jsonl with columns foo, bar"),
        (b"[1]", "a.jsonl with a list"),
        (b"{broken", "a.jsonl cannot be read\n  seen:     line 1: broken JSON"),
        (b"\n", "the file is empty\n  seen:     a.jsonl"),
    ],
)
def test_a_file_that_no_format_knows_is_shown(tmp_path, content, said):
    (tmp_path / "a.jsonl").write_bytes(content)

    with pytest.raises(UsageError, match=said):
        list(readers.read(source.files([tmp_path])))


def test_a_folder_may_hold_several_formats_and_a_file_of_rejects(tmp_path):
    for name, content in {
        "a.jsonl": orjson.dumps(ROWS["alpaca"]),
        "b.json": orjson.dumps([ROWS["messages"]]),
        "c.jsonl": b"{broken\n[]\n",
    }.items():
        (tmp_path / name).write_bytes(content)
    found = list(readers.read(source.files([tmp_path])))

    assert [(item.file, item.line, type(item)) for item in found] == [
        ("a.jsonl", 1, Dialogue),
        ("b.json", 1, Dialogue),
        ("c.jsonl", 1, Rejected),
        ("c.jsonl", 2, Rejected),
    ]


def test_what_must_not_be_split_apart_has_one_group(tmp_path):
    def group(name: str, **changes: object) -> str:
        return only({**ROWS[name], **changes}, name, tmp_path).group

    assert group("sql") == group("sql", question="Which?", answer="SELECT 2")
    assert group("sql") != group("sql", db_id="cats")
    assert group("question-answer") == group("question-answer", question="Which?")
    assert group("triples") == group("triples", object="Cy")
    assert group("alpaca") == group("alpaca", output="other")
    assert group("messages") == group("messages", messages=[*TURNS, *TURNS])


def test_identity_is_of_words_and_roles_alone(tmp_path):
    first = only(ROWS["messages"], "messages", tmp_path)

    assert first.id == only({**ROWS["messages"], "id": "x"}, "messages", tmp_path).id
    assert first.id == only(ROWS["sharegpt"], "sharegpt", tmp_path).id
    assert first.id != only({"messages": [*TURNS, *TURNS]}, "messages", tmp_path).id


COUNTS: dict[str, tuple[str, int, int]] = {
    "alpaca_en/alpaca_sample_2000.json": ("alpaca", 2000, 0),
    "alpaca_zh/alpaca_zh_sample.json": ("alpaca", 902, 0),
    "ar_lsat/AR_DevelopmentData.json": ("ar-lsat", 231, 0),
    "ar_lsat/AR_TrainingData.json": ("ar-lsat", 1630, 0),
    "competition_logic/round1_test_data.jsonl": ("competition", 1323, 5),
    "competition_logic/round1_train_data_dev400.jsonl": ("competition", 1163, 0),
    "fastchat/dummy_conversation_500.json": ("sharegpt", 500, 0),
    "fastchat/dummy_conversation_910.json": ("sharegpt", 910, 0),
    "folio/folio-train.jsonl": ("folio", 1004, 0),
    "huanhuan/huanhuan.json": ("alpaca", 3729, 0),
    "knights_knaves/en_3ppl_train300.jsonl": ("knights", 300, 0),
    "knights_knaves/en_5ppl_train300.jsonl": ("knights", 300, 0),
    "knights_knaves/zh_people3_80.jsonl": ("knights", 80, 0),
    "logic_llm/logical_deduction_dev.json": ("logic-llm", 241, 0),
    "logic_llm/prontoqa_dev400.json": ("logic-llm", 400, 0),
    "logic_llm/proofwriter_dev.json": ("logic-llm", 600, 0),
    "logiqa/Eval.txt": ("logiqa", 651, 0),
    "logiqa/zh_eval.txt": ("logiqa", 651, 0),
    "logiqa2/dev_en.jsonl": ("logiqa2", 1434, 0),
    "logiqa2/dev_zh.jsonl": ("logiqa2", 1531, 0),
    "oasst_zh_multiturn/oasst_sft_zh.json": ("alpaca", 619, 0),
    "proofnet/test.jsonl": ("proofnet", 186, 0),
    "proofnet/valid.jsonl": ("proofnet", 185, 0),
    "sql_spider/question_context_answer.jsonl": ("sql", 734, 0),
    "sql_spider/spider_dev_rows.jsonl": ("spider", 734, 0),
    "sql_spider/tables.json": ("spider-tables", 16, 0),
    "sql_wikisql_text/train.jsonl": ("wikisql-text", 1000, 0),
    "sql_wikisql_text/valid.jsonl": ("wikisql-text", 100, 0),
}


@needs_shared
def test_every_shared_file_is_known_here():
    assert sorted(str(path.relative_to(SHARED)) for path in SHARED.glob("*/*")) == sorted(COUNTS)


@needs_shared
@pytest.mark.parametrize("name", COUNTS)
def test_a_shared_file_is_read_without_a_flag_and_whole(name):
    files = source.files([SHARED / name])
    found = list(readers.read(files))
    rejected = sum(isinstance(item, Rejected) for item in found)

    assert (readers.formats_of(files)[0].name, len(found) - rejected, rejected) == COUNTS[name]


@needs_shared
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alpaca_zh", {"repeated-row": 8, "echoed-label": 86}),
        ("ar_lsat", {"shared-problem": 4}),  # one of them stands three times: five repeats
        ("fastchat", {"repeated-id": 500}),
        ("folio", {"empty-premise": 4, "unequal-premises": 2, "repeated-question": 1}),
        ("huanhuan", {"repeated-row": 112, "several-answers": 50, "short-answer": 36, "stray-spaces": 1}),
        ("logiqa/Eval.txt", {"stray-label": 11, "answer-skew": 270}),
        ("logiqa/zh_eval.txt", {"exam-number": 563}),
        ("logiqa2/dev_en.jsonl", {"identical-options": 3, "repeated-id": 1}),
        ("logiqa2/dev_zh.jsonl", {"identical-options": 6, "empty-options": 5}),
        ("proofnet/test.jsonl", {"no-proof": 1}),
        ("proofnet/valid.jsonl", {"no-proof": 1}),
        ("sql_spider/spider_dev_rows.jsonl", {"repeated-query": 328}),
        ("sql_wikisql_text/train.jsonl", {"repeated-row": 1, "inexact-sql": 1000}),
    ],
)
def test_the_oddities_of_a_shared_file_are_told(name, expected):
    oddities = Oddities()
    for item in readers.read(source.files([SHARED / name])):
        oddities.see(item)
    told = Counter({warning["kind"]: warning["count"] for warning in oddities.warnings()})

    assert {kind: told[kind] for kind in expected} == expected


def test_a_damaged_name_of_a_column_is_a_reject_of_wikisql(tmp_path):
    row = ROWS["wikisql"] | {"table": {"id": "1", "header": ["a\0"], "types": ["text"]}}

    (found,) = read(row, "wikisql", tmp_path)

    assert (found.field, "holds a NUL" in found.reason) == ("table.header", True)
