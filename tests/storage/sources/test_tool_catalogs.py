"""A folder of another tool is read as its catalogue describes it; what it names elsewhere is told."""

from pathlib import Path

import orjson
import pytest

from storage.records import UsageError
from storage.sources import readers, source
from tasks.parse import step as parse
from tests.forms import gpt, said, told


def folder(place: Path, **files: object) -> Path:
    """The files of `place`, each by its name with its content: rows of JSON, or text as it is."""
    for name, content in files.items():
        file = place / name.replace("__", ".")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else orjson.dumps(content))
    return place


def read(path: Path) -> dict[str, list[str]]:
    """The records of each file, in a line each."""
    seen: dict[str, list[str]] = {}
    for item in readers.read(source.files([path])):
        seen.setdefault(item.file, []).append(told(item))
    return seen


FACTORY = {
    "own": {
        "file_name": "own.json",
        "columns": {"prompt": "frage", "query": "zu", "response": "antwort", "system": "s"},
    },
    "chat": {
        "file_name": "chat.json",
        "formatting": "sharegpt",
        "columns": {"messages": "talk", "tools": "functions_here"},
        "tags": {"role_tag": "who", "content_tag": "what", "user_tag": "ich", "assistant_tag": "es"},
    },
    "pairs": {
        "file_name": "pairs.json",
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "conversations", "chosen": "good", "rejected": "bad"},
    },
    "judged": {"file_name": "judged.json", "columns": {"prompt": "q", "response": "a", "kto_tag": "fine"}},
    "few": {"file_name": "few.json", "num_samples": 2},
    "raw": {"file_name": "raw.json", "columns": {"prompt": "text"}},
    "pictures": {
        "file_name": "pictures.json",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "pics"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    },
    "far": {"hf_hub_url": "org/far"},
    "gone": {"file_name": "gone.json"},
}


@pytest.fixture
def factory(tmp_path):
    return folder(
        tmp_path,
        dataset_info__json=FACTORY,
        own__json=[{"frage": "Hi", "zu": "you", "antwort": "Ho", "s": "Be kind."}],
        chat__json=[{"talk": [{"who": "ich", "what": "Hi"}, {"who": "es", "what": "Ho"}]}],
        pairs__json=[{"conversations": gpt("Rome?"), "good": gpt("", "Italy.")[1], "bad": gpt("", "No.")[1]}],
        judged__json=[{"q": "Hi", "a": "Ho", "fine": True}, {"q": "Hi", "a": "Hm", "fine": False}],
        few__json=[{"instruction": str(n), "input": "", "output": "x"} for n in range(5)],
        raw__json=[{"text": "A text."}],
        pictures__json=[
            {"messages": said("Hi", "Ho"), "pics": []},
            {"messages": said("<image>What?", "A dog."), "pics": ["dog.png"]},
        ],
        unnamed__json=[{"instruction": "not in the catalogue", "output": "x"}],
    )


def test_llama_factorys_folder_is_read_as_its_catalogue_says(factory):
    assert read(factory) == {
        "own.json": ["s: Be kind. | u: Hi\n\nyou | a: Ho"],
        "chat.json": ["u: Hi | a: Ho"],
        "pairs.json": ["u: Rome? >> Italy. << No."],
        "judged.json": [
            "u: Hi | a: Ho",
            "! kto_tag: a bad answer of an unpaired preference (KTO): no example to learn from",
        ],
        "few.json": ["u: 0 | a: x", "u: 1 | a: x"],
        "raw.json": ["= A text."],
        "pictures.json": ["u: Hi | a: Ho", "! images: a row with images, and this release is text only"],
    }


def test_what_a_catalogue_names_elsewhere_is_told(factory):
    (warning, *_) = parse.inspect(factory)["warnings"]

    assert warning["kind"] == "elsewhere"
    assert warning["examples"] == [
        "far (at org/far)",
        "gone (gone.json is not here)",
        "unnamed.json (the catalogue does not name it)",
    ]


def test_one_file_of_such_a_folder_is_described_as_well(factory):
    assert read(factory / "chat.json") == {"chat.json": ["u: Hi | a: Ho"]}
    assert read(factory / "unnamed.json") == {"unnamed.json": ["u: not in the catalogue | a: x"]}


def test_a_change_of_the_catalogue_is_another_source(factory):
    before = source.fingerprint(source.hashed(source.files([factory])))
    info = {**FACTORY, "few": {"file_name": "few.json", "num_samples": 3}}
    (factory / "dataset_info.json").write_bytes(orjson.dumps(info))

    assert before != source.fingerprint(source.hashed(source.files([factory])))


def test_ms_swifts_registration_names_columns_and_turns(tmp_path):
    folder(
        tmp_path,
        dataset_info__json=[
            {"ms_dataset_id": "org/far"},
            {"dataset_path": "a.jsonl", "columns": {"q": "query", "a": "response"}},
            {
                "dataset_path": "b.jsonl",
                "messages": {"role_key": "who", "content_key": "what", "user_role": "ich", "assistant_role": "es"},
            },
        ],
        a__jsonl=[{"q": "Hi", "a": "Ho"}],
        b__jsonl={"messages": [{"who": "ich", "what": "Hi"}, {"who": "es", "what": "Ho"}]},
    )
    (tmp_path / "a.jsonl").write_bytes(orjson.dumps({"q": "Hi", "a": "Ho"}))

    assert read(tmp_path) == {"a.jsonl": ["u: Hi | a: Ho"], "b.jsonl": ["u: Hi | a: Ho"]}
    assert source.elsewhere([tmp_path]) == ["org/far (at a hub)"]


AXOLOTL = """base_model: org/model
datasets:
  - path: chat.jsonl
    type: chat_template
    field_messages: talk
    message_property_mappings: {role: who, content: what}
    roles: {user: [ich], assistant: [es]}
  - path: texts.jsonl
    type: completion
    field: words
  - path: own.jsonl
    type: {field_instruction: frage, field_output: antwort, format: "[INST] {instruction}"}
  - path: json
    data_files: [one.jsonl, two.jsonl]
    type: alpaca
  - path: org/far
    type: alpaca
test_datasets:
  - path: one.jsonl
"""


def test_axolotls_datasets_are_read_as_its_file_says(tmp_path):
    folder(
        tmp_path,
        config__yml=AXOLOTL,
        chat__jsonl={"talk": [{"who": "ich", "what": "Hi"}, {"who": "es", "what": "Ho"}]},
        texts__jsonl={"words": "A text."},
        own__jsonl={"frage": "Hi", "antwort": "Ho"},
        one__jsonl={"instruction": "One", "output": "1"},
        two__jsonl={"instruction": "Two", "output": "2"},
    )

    assert read(tmp_path / "config.yml") == {
        "chat.jsonl": ["u: Hi | a: Ho"],
        "texts.jsonl": ["= A text."],
        "own.jsonl": ["u: Hi | a: Ho"],
        "one.jsonl": ["u: One | a: 1"],
        "two.jsonl": ["u: Two | a: 2"],
    }
    assert source.elsewhere([tmp_path / "config.yml"]) == [
        "org/far (org/far is not here)",
        "test_datasets (sets for evaluation: evaluate on them apart)",
        "format is not applied: a template renders prompts",
    ]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("dataset_info.json", "{broken", "a catalogue of datasets is damaged"),
        ("config.yml", "a: [", "a YAML file is damaged"),
        ("config.yml", "base_model: x", "a YAML file that names no datasets"),
        ("dataset_info.json", '{"x": {"file_name": "gone.json"}}', "no file that dataset_info.json names is here"),
    ],
)
def test_a_catalogue_that_names_nothing_to_read_says_so(tmp_path, name, content, reason):
    (tmp_path / name).write_text(content)

    with pytest.raises(UsageError, match=reason):
        source.files([tmp_path / name])
