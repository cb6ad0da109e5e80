"""Cleaning: what counts as the same, what leaves, on whose account, and what growth never moves."""

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzles.generate import generate
from storage.cleaning.alike import alike
from storage.cleaning.clean import RULES, Rules
from storage.cleaning.signs import bands, said, shingles
from storage.records import Question, normal
from storage.sources import readers, source
from storage.tables import parsed, questions
from tasks.parse.splits import split_of
from tests.storage.sources.test_competition import SHARED, needs_shared

EN = (
    "Five friends, Tom, Ann, Bob, Eve and Sue, sit in a row at the cinema. Tom sits left of Ann. Bob does not sit "
    "beside Eve. Sue sits at one of the two ends, and nobody sits between her and Bob. The usher remembers that Ann "
    "had bought the tickets for everybody, and that the film started with a considerable delay. Afterwards they "
    "walked home together along the river and talked about the film for a while."
)
ZH = (
    "某公司有甲、乙、丙、丁、戊五名员工参加年度培训，培训内容包括编程、写作、演讲和管理。已知甲参加了编程，乙没有参加写作，"
    "丙和丁参加了同样的培训，戊只参加了一项培训。公司规定每名员工至少参加一项，并且演讲的人数比管理的人数多。培训结束之后，"
    "公司的负责人对大家的表现非常满意，打算明年继续举办类似的活动，同时希望邀请外地分公司的同事一起来参观学习，互相交流经验。"
)
VARIANTS = [EN.replace("considerable", f"considerable{letter}") for letter in "abcdefgh"]
SALT = "这是一个关于推理的问题。"


def asked(
    problem: str = EN, text: str = "Who sits in the middle?", options: Any = ("Tom", "Ann", "Bob", "Eve"), **more: Any
) -> Question:
    return Question(problem, text, tuple(options), **{"answer": "A", "file": "a.jsonl", **more})


def cleaned(
    folder: Path, found: list[Question], rules: Rules = RULES, against: Any = ()
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What stays and what goes."""
    folder.mkdir(exist_ok=True)
    numbered = [Question(**{n: getattr(q, n) for n in q.__slots__} | {"line": n}) for n, q in enumerate(found, start=1)]
    questions.write(folder, numbered, lambda group: split_of(group, 0.2, 0.4), rules, against)
    return tuple(pl.read_parquet(folder / f"{name}.parquet").to_dicts() for name in ("questions", "drops"))  # type: ignore[return-value]


def reasons(drops: list[dict[str, Any]]) -> dict[int, str]:
    return {drop["line"]: drop["reason"] for drop in drops}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who  sits\nleft?", "WHO SITS LEFT?"),
        ("ＡＢＣ：谁", "abc:谁"),
        ("他 是 谁？", "他是谁？"),
        ("12. Who?", "Who?"),
        ("选择题 3：谁？", "选择题 1：\n谁？"),
        ("5 ㎡", "5 m²"),
        ("H₂O", "H2O"),
        ("图Ⅱ", "图II"),
    ],
)
def test_case_width_space_and_a_number_before_it_make_no_other_text(one, other):
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1 2", "12"), ("x<y", "x>y"), ("3.5 l", "5 l"), ("-3", "3"), ("Bob", "Bab")]
    + [
        ("2³=8", "23=8"),
        ("10₂", "102"),
        ("log₂8", "log28"),
        ("xⁿ⁺¹", "xn+1"),
        ("2½", "21/2"),
        ("①②", "12"),
        ("①3", "13"),
    ],
)
def test_numbers_and_signs_do_make_another_text(one, other):
    assert normal(one) != normal(other)


def test_options_that_a_superscript_tells_apart_are_not_the_same_words():
    assert said("p", "q", ("10²", "102", "20")) != said("p", "q", ("102", "102", "20"))


@pytest.mark.parametrize(("planted", "left"), [("2³ + 5²", []), ("23 + 52", [1])])
def test_an_evaluation_set_s_sum_with_powers_is_another_sum_than_the_one_without(tmp_path, planted, left):
    words = "Ann writes a sum on the board and asks her class which number it makes: {} is what she wrote there."
    held = asked(words.format("2³ + 5²"), "Which?", ("33", "75"))
    kept, _ = cleaned(tmp_path, [asked(words.format(planted), "Which?", ("33", "75"))], against=[held])

    assert left == [row["line"] for row in kept]


def test_a_problem_s_group_is_the_same_however_it_is_cased_and_spaced():
    assert asked(EN).group == asked(EN.upper().replace(" ", "  ")).group != asked(ZH).group
    assert asked(EN).id != asked(EN.upper()).id


@pytest.mark.parametrize(
    ("text", "change"),
    [
        (EN, ("considerable", "considerble")),
        (EN, ("delay. Afterwards", "delay, afterwards")),
        (EN, ("while.", "while. Please think carefully.")),
        (EN, ("talked", "chatted")),
        (ZH, ("打算", "计划")),
        (ZH, ("满意，打算", "满意。打算")),
    ],
)
def test_copies_with_another_word_or_mark_say_the_same(text, change):
    assert change[0] in text
    assert alike(text, text.replace(*change), 0.9)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        (EN, ("does not sit", "does sit")),
        (EN, ("left of Ann", "right of Ann")),
        (EN, ("Five friends", "Four friends")),
        (EN, ("Tom sits left of Ann", "Ann sits left of Tom")),
        (EN, ("beside Eve", "beside Joe")),
        (EN, ("one of the two", "one of the 2")),
        (ZH, ("没有参加写作", "参加了写作")),
        (ZH, ("戊只参加", "乙只参加")),
        (ZH, ("五名", "六名")),
        (ZH, ("人数多", "人数少")),
    ],
)
def test_a_word_that_decides_the_puzzle_makes_another_puzzle(text, change):
    assert change[0] in text
    assert alike(text, text.replace(*change, 1), 0.8) is None


def test_the_likeness_is_the_jaccard_similarity_of_shingles():
    other = EN.replace("talked", "chatted")
    first, second = shingles(normal(EN)), shingles(normal(other))

    assert alike(EN, other, 0.9) == len(first & second) / len(first | second)
    assert alike(EN, other, 0.999) is None


def test_min_hashes_find_nearly_every_pair_above_the_threshold_and_few_below():
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklm", k=6)) for _ in range(2000)]
    texts = [" ".join(rng.choices(words, k=60)) for _ in range(400)]
    near = [text.replace(text.split()[30], "changed", 1) for text in texts]
    far = [" ".join([*text.split()[:30], *rng.choices(words, k=30)]) for text in texts]
    keys, at, off = (bands(those, [""] * 400)[0] for those in (texts, near, far))

    assert (keys == at).any(axis=1).mean() > 0.97
    assert (keys == off).any(axis=1).mean() < 0.1


def test_texts_with_other_numbers_or_options_are_never_compared():
    keys, _ = bands([EN, EN.replace("two", "2"), EN, f"{EN} 3 4", f"{EN} 4 3"], ["x", "x", "y", "x", "x"])

    assert not any((keys[a] == keys[b]).any() for a in range(5) for b in range(a))


def test_each_copy_leaves_with_its_reason_and_what_it_repeats(tmp_path):
    first = asked()
    copies = [
        first,
        asked(EN.upper()),
        asked(options=("Eve", "Bob", "Ann", "Tom"), answer="D", file="b.jsonl"),
        asked(beside(EN, VARIANTS)),
        asked(ZH),
        asked(beside(ZH, [f"{ZH}{mark}" for mark in "。！？；、，"])),
    ]
    kept, drops = cleaned(tmp_path, [first, *copies])

    assert [row["line"] for row in kept] == [1, 6]
    assert reasons(drops) == {
        2: "duplicate",
        3: "same words",
        4: "same words",
        5: "near-duplicate",
        7: "near-duplicate",
    }
    assert [(d["other_file"], d["other_line"]) for d in drops] == [("a.jsonl", 1)] * 4 + [("a.jsonl", 6)]
    assert {d["other"] for d in drops} == {first.id, asked(ZH).id}
    assert [d["similarity"] for d in drops[:3]] == [1, 1, 1]
    assert all(0.95 <= d["similarity"] < 1 for d in drops[3:])


def test_a_copy_with_a_key_stands_for_one_without(tmp_path):
    kept, drops = cleaned(tmp_path, [asked(answer=None), asked(EN.upper(), answer="B")])

    assert [(row["line"], row["answer"]) for row in kept] == [(2, "B")]
    assert reasons(drops) == {1: "same words"}


def beside(problem: str, variants: list[str]) -> str:
    """The first of the variants that stands on the problem's side."""
    return next(v for v in variants if split_of(asked(v).group, 0.2, 0.4) == split_of(asked(problem).group, 0.2, 0.4))


def test_near_copies_whose_keys_or_options_differ_are_two_questions(tmp_path):
    near = beside(EN, VARIANTS)
    others = [asked(near, answer="B"), asked(near, "Who is first?", ("Tom", "Ann", "Bob", "Sue"))]
    kept, drops = cleaned(tmp_path, [asked(), *others, asked(near, answer="A")])

    assert [row["line"] for row in kept] == [1, 2, 3]
    assert reasons(drops) == {4: "duplicate"}


def test_at_one_only_the_same_words_are_a_copy(tmp_path):
    kept, drops = cleaned(tmp_path, [asked(), asked(EN.upper()), asked(EN.replace("talked", "chatted"))], Rules(near=1))

    assert [row["line"] for row in kept] == [1, 3]
    assert reasons(drops) == {2: "same words"}


def test_a_near_copy_of_a_problem_on_another_side_leaves_with_all_its_questions(tmp_path):
    first = asked()
    side = split_of(first.group, 0.2, 0.4)
    other = next(v for v in VARIANTS if split_of(asked(v).group, 0.2, 0.4) != side)
    same = next(v for v in VARIANTS if split_of(asked(v).group, 0.2, 0.4) == side)
    new = {"text": "Who paid for the tickets?", "options": ("Eve", "Ann")}
    kept, drops = cleaned(
        tmp_path, [first, asked(other, **new), asked(other, "Who is tall?", ("a", "b")), asked(same, **new)]
    )

    assert [row["line"] for row in kept] == [1, 4]
    assert reasons(drops) == {2: "near-duplicate across splits", 3: "near-duplicate across splits"}


def test_a_crowd_of_look_alikes_stays_linear_and_still_gives_up_its_copies(tmp_path):
    """One template, 400 puzzles: none is a copy of another, and the copy that is planted is found."""
    names = [f"{a}{b}" for a in ("Al", "Be", "Co", "Di", "Ed") for b in ("ra", "ne", "li", "do")]
    rng = random.Random(3)
    crowd = [
        asked(EN.replace("Tom", rng.choice(names)).replace("Sue", rng.choice(names)), f"Is it {rng.choice(names)}?")
        for _ in range(400)
    ]
    crowd = list({q.id: q for q in crowd}.values())
    planted = asked(crowd[7].problem.replace("considerable", "considerble"), crowd[7].question)
    _, drops = cleaned(tmp_path, [*crowd, planted])

    assert set(reasons(drops)) == {len(crowd) + 1}


def test_generated_puzzles_lose_nothing(tmp_path):
    found = [
        Question(row["problem"], q["question"], tuple(q["options"]), q["answer"])
        for row in generate(3000, 5)
        for q in row["questions"]
    ]
    kept, drops = cleaned(tmp_path, found, against=(asked(), asked(ZH)))

    assert (len(kept), drops) == (len(found), [])


@needs_shared
def test_the_competition_loses_only_what_it_asks_twice(tmp_path):
    found = [item for item in readers.read(source.files([SHARED])) if isinstance(item, Question)]
    _, drops = cleaned(tmp_path, found)
    words = {q.id: said(q.problem, q.question, q.options).text for q in found}

    assert 0 < len(drops) < 0.01 * len(found)
    assert all(words[drop["question"]] == words[drop["other"]] for drop in drops)


def held() -> list[Question]:
    rows = generate(300, 9)
    made = [
        Question(r["problem"], q["question"], tuple(q["options"]), q["answer"], file="held.jsonl")
        for r in rows
        for q in r["questions"]
    ]
    return [*made, asked(file="held.jsonl"), asked(ZH, "谁参加了演讲？", file="held.jsonl")]


def shuffled(question: Question, rng: random.Random) -> Question:
    return asked(question.problem, question.question, rng.sample(question.options, len(question.options)))


@pytest.mark.parametrize(
    "plant",
    [
        lambda q, rng: q,
        lambda q, rng: asked(q.problem.upper(), q.question.upper(), q.options),
        lambda q, rng: asked(q.problem.replace(" ", " \n "), " ".join(q.question), q.options),
        lambda q, rng: asked(q.problem.replace(" ", ""), q.question.replace(" ", ""), q.options),
        shuffled,
    ],
    ids=["exact", "re-cased", "re-spaced", "without spaces", "options shuffled"],
)
def test_planted_contamination_is_found_all_of_it_and_innocent_rows_stay(tmp_path, plant):
    rng = random.Random(2)
    innocent = [
        Question(row["problem"], q["question"], tuple(q["options"]), q["answer"])
        for row in generate(300, 77)
        for q in row["questions"]
    ]
    known = {said(q.problem, q.question, q.options).text for q in held()}
    innocent = [q for q in innocent if said(q.problem, q.question, q.options).text not in known]
    planted = [
        plant(q, rng) for q in held() if not any(c.isdigit() for c in q.problem + q.question) or plant is shuffled
    ]
    kept, drops = cleaned(tmp_path, [*innocent, *planted], against=held())

    assert len(planted) > 30
    assert {row["line"] for row in kept} == set(range(1, len(innocent) + 1))
    assert {drop["reason"] for drop in drops} == {"in an evaluation set"}
    assert {drop["other"] for drop in drops} <= {q.id for q in held()}
    assert {drop["other_file"] for drop in drops} == {"held.jsonl"}


@pytest.mark.parametrize(
    ("text", "around"), [(EN, "It was a warm evening in June and all shops were open."), (ZH, SALT)]
)
def test_an_evaluation_question_inside_other_words_is_found_with_the_words_it_shares(tmp_path, text, around):
    planted = asked(f"{around} {text} {around}", options=("Sue", "Joe"))
    half = asked(text[: len(text) // 3] + around * 3, options=("Sue", "Joe"))
    kept, [drop] = cleaned(tmp_path, [planted, half], against=held())

    assert (drop["line"], drop["reason"]) == (1, "overlaps an evaluation set")
    assert drop["similarity"] > 0.8
    assert normal(drop["evidence"].replace(" ", "")) in "".join(c for c in normal(text) if c.isalnum())
    assert [row["line"] for row in kept] == [2]


def test_boilerplate_of_many_problems_is_no_evidence(tmp_path):
    rules = (
        "Read the following rules with care and then answer the question that stands below them, and give one letter."
    )
    evaluation = [asked(f"{rules} Item {n}.", f"Is it {n}?", file="held.jsonl") for n in range(20)]
    kept, drops = cleaned(
        tmp_path, [asked(f"{rules} Thing {n}.", f"Was it {n}?") for n in range(20)], against=evaluation
    )

    assert (len(kept), drops) == (20, [])


PROBLEMS = st.sampled_from(
    [
        EN,
        EN.upper(),
        EN.replace("talked", "chatted"),
        EN.replace("considerable", "long"),
        ZH,
        f"{ZH}。",
        "x",
        "y",
        "z 1",
        "z 2",
    ]
)
ROWS = st.lists(
    st.builds(asked, PROBLEMS, st.sampled_from(["Who?", "who ?", "Why?"]), answer=st.sampled_from("ABCD")), max_size=12
)


@settings(max_examples=8, deadline=None)
@given(ROWS, ROWS, ROWS)
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
    # whoever stays stays, as long as what is new comes after it
    assert {row["id"] for row in first} <= {row["id"] for row in appended}


def test_duckdb_may_spill_until_its_last_query(tmp_path, monkeypatch):
    told, seen = parsed._told, []

    def watched(table, con, folder):
        [[place]] = con.execute("select current_setting('temp_directory')").fetchall()
        con.execute(
            "create temp table wide as select range as n, repeat('x', 200) as text from range(60000)"
        ).fetchall()
        con.execute("set memory_limit = '24MB'; set threads = 1").fetchall()
        con.execute(
            "create temp table sorted as from wide order by md5(n::varchar)"
        ).fetchall()  # more than memory holds
        seen.append(any(Path(place).iterdir()))
        return told(table, con, folder)

    monkeypatch.setattr(parsed, "_told", watched)
    questions.write(tmp_path, [Question("P", "Q", ("a", "b"), "A")], lambda group: "train")

    assert [True] == seen
    assert not (tmp_path / "parts").exists()
