"""Dialogues on disk: what is written is read, which are copies, who leaves, and what growth never moves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.cleaning.clean import RULES, Rules
from storage.dialogues import Dialogue, Preference, Text
from storage.home import Home
from storage.records import Message, PonensError, Question, Receipt, Rejected
from storage.tables import dialogue_files
from storage.tables.dialogue_files import Dialogues
from tasks.parse.splits import split_of
from tests.dialogues import TABLES, chat, query
from tests.samples import dialogues

LONG = (
    "The night train to Lisbon leaves at ten from the old station, and the steward asks every guest for a passport. "
    "What should a traveller who has forgotten hers say to him so that he lets her board and keeps his good temper?"
)
ANSWER = (
    "She should say that her name is on the list of the booking office, that a copy of her papers lies in her "
    "mailbox, and that she would be glad to show it as soon as the train has a connection beyond the tunnel."
)
ZH = "某公司今年举办了一次非常热闹的年会，员工们表演了各种节目，请你写一段话介绍当时的情景，并且说明大家为什么都觉得满意。"
NEAR = LONG.replace("guest", "visitor")
Rows = list[dict[str, Any]]


def cleaned(
    folder: Path,
    found: list[Dialogue],
    rules: Rules = RULES,
    against: Any = (),
    shares: tuple[float, float] = (0.2, 0.4),
) -> tuple[Rows, Rows]:
    """What stays and what goes; a dialogue's line is its place."""
    folder.mkdir(exist_ok=True)
    numbered = [_numbered(one, line) for line, one in enumerate(found, start=1)]
    dialogue_files.write(folder, numbered, lambda group: split_of(group, *shares), rules, against)
    return tuple(pl.read_parquet(folder / f"{name}.parquet").to_dicts() for name in ("dialogues", "drops"))  # type: ignore[return-value]


def _numbered(one: Dialogue, line: int) -> Dialogue:
    return Dialogue(**{name: getattr(one, name) for name in Dialogue.__slots__} | {"line": line})


def reasons(drops: Rows) -> dict[int, str]:
    return {drop["line"]: drop["reason"] for drop in drops}


def stored(folder: Path) -> Dialogues:
    return Dialogues(Home(folder.parent), Receipt("parse", "k", "d", folder.name, {}, {}, 0.0, ""))


@settings(max_examples=8, deadline=None)
@given(st.lists(dialogues(), max_size=5, unique_by=lambda d: d.group))
def test_what_is_written_is_what_is_read_as_often_as_one_likes(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("home") / "made"
    cleaned(folder, found, Rules(near=1), shares=(0, 0))
    reader = stored(folder)
    known = {one.id: one for one in found}

    for _ in range(2):
        read = list(reader)
        assert [(d.messages, d.task, d.about, d.group) for d in read] == [
            (known[d.id].messages, known[d.id].task, known[d.id].about, known[d.id].group) for d in read
        ]
    assert {d.id for d in read} <= set(known)


def test_about_topic_and_place_come_back_and_a_split_can_be_asked_for(tmp_path):
    asked = query("How many?", "SELECT 1", source_id="q1")
    cleaned(tmp_path / "made", [asked, chat("Hello?", "-No.", "Why?", "So.")], shares=(0, 0))
    home, receipt = Home(tmp_path), Receipt("parse", "k", "d", "made", {}, {}, 0.0, "")
    [first, second] = Dialogues(home, receipt)

    assert (first.about, first.topic, first.source_id, first.file, first.line) == (
        asked.about,
        "music",
        "q1",
        "a.jsonl",
        1,
    )
    assert [m.train for m in second.messages] == [True, False, True, True]
    assert list(Dialogues(home, receipt, "train")) == [first, second]
    assert list(Dialogues(home, receipt, "test")) == []


def test_an_artifact_that_is_gone_is_named(tmp_path):
    with pytest.raises(PonensError, match=r"dialogues\.parquet is gone"):
        stored(tmp_path / "nowhere")


def test_rejects_stand_beside_and_what_counts_is_in_the_identity(tmp_path):
    made = [chat("Hello?", "Yes."), chat("Hello?", "-Yes."), chat("Hello?", "Yes.", about={"label": "x"})]
    identities = set()
    for number, one in enumerate(made):
        (tmp_path / str(number)).mkdir()
        found: Iterator[Dialogue | Rejected] = iter([one, Rejected("a.jsonl", 9, "turns", "none")])
        identity, facts = dialogue_files.write(tmp_path / str(number), found, lambda group: "train")
        identities.add(identity)
        assert facts["splits"] == {"train": 1, "valid": 0, "test": 0}
        assert facts["lengths"]["en"]["dialogues"] == 1
        assert pl.read_parquet(tmp_path / str(number) / "rejects.parquet").rows() == [("a.jsonl", 9, "turns", "none")]

    assert len(identities) == 3


def test_each_copy_leaves_with_its_reason_and_what_it_repeats(tmp_path):
    found = [
        chat(LONG, ANSWER),
        chat(LONG, ANSWER),
        chat(LONG.upper(), ANSWER.replace(" ", "  ")),
        chat(LONG.replace("passport. ", "passport.\n\n"), ANSWER.replace("tunnel.", "tunnel!")),
        chat(LONG, ANSWER, "Really?", "Really."),  # says more
    ]
    kept, drops = cleaned(tmp_path, found)

    assert [row["line"] for row in kept] == [1, 5]
    assert reasons(drops) == {2: "duplicate", 3: "same words", 4: "near-duplicate"}
    assert {(drop["other"], drop["other_line"]) for drop in drops} == {(found[0].id, 1)}


@pytest.mark.parametrize(
    "other",
    [
        chat(LONG, "Another answer altogether."),
        chat(LONG, ANSWER.replace("should", "should not")),
        chat(LONG, "negative", task="classification"),
        query("What is the number of singers?", "SELECT count(*) FROM singer_1"),
        query("How many concerts do we have?", "SELECT count(*) FROM concert_1"),
    ],
    ids=["another answer", "one word that decides", "another label", "another wording", "another question"],
)
def test_what_differs_in_a_fact_is_no_copy(tmp_path, other):
    first = {
        "sql": query("How many singers do we have?", "SELECT count(*) FROM singer_1"),
        "classification": chat(LONG, "positive", task="classification"),
    }.get(other.task, chat(LONG, ANSWER))
    kept, drops = cleaned(tmp_path, [first, other])

    assert (len(kept), drops) == (2, [])


def test_who_speaks_is_a_fact(tmp_path):
    turns = (Message("user", LONG), Message("assistant", "Yes."), Message("user", ANSWER), Message("assistant", "No."))
    other = (Message("user", LONG), Message("user", "Yes."), Message("assistant", ANSWER), Message("assistant", "No."))
    kept, _ = cleaned(tmp_path, [Dialogue(turns), Dialogue(other)])

    assert len(kept) == 2


def on_sides(*texts: str) -> set[str]:
    return {split_of(chat(text, "x").group, 0.2, 0.4) for text in texts}


def test_a_near_copy_of_an_opening_on_another_side_leaves_with_its_whole_thread(tmp_path):
    variants = [LONG.replace("temper?", f"temper{mark}") for mark in ("", "!", ".", "…", "??", "?!", ";", ":", "。")]
    other = next(v for v in variants if len(on_sides(LONG, v)) == 2)
    found = [chat(LONG, "Yes."), chat(other, "Perhaps."), chat(other, "Perhaps.", "Why?", "Who knows.")]
    kept, drops = cleaned(tmp_path, found)

    assert [row["line"] for row in kept] == [1]
    assert reasons(drops) == {2: "near-duplicate across splits", 3: "near-duplicate across splits"}


def test_a_near_copy_of_a_schema_under_another_name_on_another_side_leaves(tmp_path):
    schema = TABLES.format(n=1)
    names = [f"db{n}" for n in range(40)]
    here = split_of(query("a", "b", db_id="music").group, 0.2, 0.4)
    away = next(name for name in names if split_of(query("a", "b", db_id=name).group, 0.2, 0.4) != here)
    copied = f"{schema};"
    found = [query("How many?", "SELECT 1"), query("How old?", "SELECT 2", copied, away)]
    found += [query("How old?", "SELECT 2", TABLES.format(n=7), away + "x")]
    kept, drops = cleaned(tmp_path, found)

    assert [row["line"] for row in kept] == [1, 3]
    assert reasons(drops) == {2: "near-duplicate across splits"}


@pytest.mark.parametrize("near", [1, 0.95])
def test_threads_databases_and_passages_stay_whole_however_they_are_cased(tmp_path, near):
    found = [
        *(chat(text, f"Answer {n}.") for n, text in enumerate((LONG, LONG.upper(), LONG.replace(" ", "\n")))),
        *(query(f"Question {n}?", f"SELECT {n}", TABLES.format(n=n)) for n in range(3)),
    ]
    kept, _ = cleaned(tmp_path, found, Rules(near=near))

    assert len(kept) == 6
    assert len({row["group"] for row in kept}) == 2


def test_what_an_evaluation_set_asks_leaves_whatever_it_answers(tmp_path):
    held = [
        chat("Who are you?", "A parrot.", file="held.jsonl"),
        Preference((Message("user", ZH),), "很好", "不好", file="held.jsonl"),
        Question(LONG, "Choose.", ("a", "b"), file="held.jsonl"),
        Text("x", file="held.jsonl"),
    ]
    found = [
        chat("WHO  are you?", "A cat."),
        Dialogue((Message("system", "Be brief."), Message("user", "Who are you?"), Message("assistant", "Me."))),
        chat(f"Please, my friend. {LONG}", "Nothing."),
        chat(f"好的。{ZH}", "很好"),
        chat("Hello?", "Yes.", "Who are you?", "A dog."),  # asks it in passing
        chat("Who are they?", "A parrot."),
    ]
    kept, drops = cleaned(tmp_path, found, against=held)

    assert [row["line"] for row in kept] == [5, 6]
    assert reasons(drops) == {
        1: "in an evaluation set",
        2: "in an evaluation set",
        3: "overlaps an evaluation set",
        4: "overlaps an evaluation set",
    }
    assert {drop["other_file"] for drop in drops} == {"held.jsonl"}
    assert all(drop["evidence"] for drop in drops)


TURNS = st.sampled_from([LONG, LONG.upper(), NEAR, f"{LONG}!", ZH, f"{ZH}！", "x", "y"])
GROWN = st.lists(st.builds(chat, TURNS, st.sampled_from(["Yes.", "yes.", ANSWER])), max_size=8)


@settings(max_examples=4, deadline=None)
@given(GROWN, GROWN, GROWN)
def test_growth_moves_no_group_and_no_group_stands_on_two_sides(tmp_path_factory, before, old, after):
    folder = tmp_path_factory.mktemp("grown")
    first, _ = cleaned(folder / "a", old)
    appended, _ = cleaned(folder / "b", [*old, *after])
    inserted, _ = cleaned(folder / "c", [*before, *old, *after])
    sides = {row["group"]: row["split"] for row in first}

    for rows in (first, appended, inserted):
        grown: dict[str, set[str]] = {}
        for row in rows:
            grown.setdefault(row["group"], set()).add(row["split"])
        assert all(len(found) == 1 for found in grown.values())
        assert all(grown[group] == {side} for group, side in sides.items() if group in grown)
    assert {row["id"] for row in first} <= {row["id"] for row in appended}
