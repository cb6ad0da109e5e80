"""Odd turns are mended by one rule, whatever format they come from, and what was mended is noted."""

import json

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.records import Message, Role
from storage.sources import readers
from storage.sources.formats import alpaca, messages, sharegpt, transcript
from storage.sources.formats.base import At, Fault
from storage.sources.formats.conversation import settled
from tests.samples import dialogues

NAMES: dict[str, Role] = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}


def turns(said: str) -> list[Message]:
    """Messages of "u1 a1": the first letter is the role, a minus keeps it from being learnt, "_" is blank."""
    return [Message(NAMES[word[0]], word[1:].strip("-_"), "-" not in word) for word in said.split()]


def mended(said: str) -> tuple[str, tuple[str, ...]]:
    found, notes = settled(turns(said), "turns")
    text = " ".join(f"{m.role[0]}{m.content.replace(chr(10) * 2, '+')}{'' if m.train else '-'}" for m in found)
    return text, notes


@pytest.mark.parametrize(
    ("given", "expected", "notes"),
    [
        ("u1 a1 u2 a2", "u1 a1 u2 a2", ()),
        ("s0 u1 a1", "s0 u1 a1", ()),
        ("u1 a1 t1 t2 a2", "u1 a1 t1 t2 a2", ()),
        ("u1 u2 a1", "u1+2 a1", ("joined-turns",)),
        ("u1 a1 a2-", "u1 a1+2-", ("joined-turns",)),
        ("s1 s2 u1 a1", "s1+2 u1 a1", ("joined-turns",)),
        ("a0 u1 a1", "u1 a1", ("answer-first",)),
        ("s0 a0 u1 a1", "s0 u1 a1", ("answer-first",)),
        ("a0 s0 u1 a1", "u1 a1", ("answer-first",)),
        ("u1 a1 u2", "u1 a1", ("no-last-answer",)),
        ("u1 a1 t1", "u1 a1", ("no-last-answer",)),
        ("u1 a_ u2 a2", "u1+2 a2", ("blank-turn", "joined-turns")),
        ("u1 a1 u_", "u1 a1", ("blank-turn",)),
    ],
)
def test_odd_turns_are_mended_by_the_rule(given, expected, notes):
    assert mended(given) == (expected, notes)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "no turn of a user"),
        ("a1", "no turn of a user"),
        ("u_ a1", "no turn of a user"),
        ("u1", "no answer"),
        ("a0 u1", "no answer"),
        ("u1 a1 s2 u2 a2", "does not open"),
    ],
)
def test_what_cannot_be_mended_is_a_fault(given, reason):
    with pytest.raises(Fault, match=reason):
        settled(turns(given), "turns")


@given(st.lists(st.builds(Message, st.sampled_from(list(NAMES.values())), st.sampled_from(["", " ", "x"]))))
def test_what_is_mended_needs_no_mending(given):
    try:
        found, _ = settled(given, "turns")
    except Fault:
        return

    assert settled(found, "turns") == (found, ())


@pytest.mark.parametrize("format", [messages.FORMAT, sharegpt.FORMAT], ids=lambda format: format.name)
@given(dialogue=dialogues())
def test_a_written_dialogue_is_the_dialogue_that_is_read(format, dialogue):
    (found,) = format.records(orjson.loads(orjson.dumps(format.row(dialogue))), At("x", 1))

    assert (found.messages, found.id) == (dialogue.messages, dialogue.id)


@given(dialogue=dialogues(plain=True))
def test_alpaca_holds_every_dialogue_of_user_and_assistant(dialogue):
    (found,) = alpaca.FORMAT.records(orjson.loads(orjson.dumps(alpaca.row(dialogue))), At("x", 1))

    assert (found.messages, found.id) == (dialogue.messages, dialogue.id)


@pytest.mark.parametrize("cell", ["no turns", "Human: only asked", "Human\nAssistant", "  ", "x" * 5_000])
def test_a_text_that_is_no_transcript_is_a_fault_in_a_file_of_conversations(cell):
    with pytest.raises(Fault, match="conversations: expected a list, found text"):
        list(sharegpt.FORMAT.records({"conversations": cell}, At("x", 1)))


HI, HO = {"role": "user", "content": "It's {'a': 1}"}, {"role": "assistant", "content": "Ho"}


@pytest.mark.parametrize(
    "said",
    [
        json.dumps([HI]),
        str([HI]),
        json.dumps({"messages": [HI]}),
        str(HI).join("[]"),
        str(np.array([HI, HO, HI], dtype=object)),
    ],
    ids=["json", "python", "an object of messages", "printed", "numpy"],
)
def test_a_prompt_whose_text_is_a_list_of_turns_is_these_turns(tmp_path, said):
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": said, "completion": "end"}))
    (found,) = readers.read([("a.jsonl", tmp_path / "a.jsonl")])

    assert {HI["content"]} == {message.content for message in found.messages if message.role == "user"}
    assert (HI["content"], "end") == (found.messages[0].content, found.messages[-1].content)


@pytest.mark.parametrize("said", ["{'a': 1}", "[1, 2]", "[{'a': 1}, oops", "{'role': 'user'", "[sic] is Latin"])
def test_a_prompt_that_only_looks_like_one_stays_its_text(tmp_path, said):
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": said, "completion": "end"}))
    (found,) = readers.read([("a.jsonl", tmp_path / "a.jsonl")])

    assert said == found.messages[0].content


def test_thoughts_beside_other_thoughts_are_told(tmp_path):
    answer = {"role": "assistant", "content": "<think>x</think>Ho", "reasoning_content": "y"}
    rows = [{"messages": [HI, answer]}, {"messages": [HI, answer | {"reasoning_content": "x"}]}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    other, same = readers.read([("a.jsonl", tmp_path / "a.jsonl")])

    assert ("unread messages[].reasoning_content",) == other.notes
    assert () == same.notes


@pytest.mark.parametrize("space", ["\n\n", " ", "\u3000", "\u00a0", "\t"])
def test_space_before_a_transcript_loses_no_turn(space):
    expected = [Message("user", "Is it?"), Message("assistant", "It is.")]

    assert expected == transcript.transcribed(f"{space}Human: Is it?\n\nAssistant: It is.", "text")
