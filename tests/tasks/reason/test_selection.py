"""Which rationales are kept: no near-copies, those that differ most, the same whatever the order."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.reason.selection import select, shape, similarity

WORDS = {
    "en": [
        "the",
        "lamp",
        "door",
        "red",
        "blue",
        "left",
        "right",
        "of",
        "is",
        "not",
        "so",
        "then",
        "because",
        "clue",
        "holds",
        "fails",
    ],
    "zh": [
        "小明",
        "小红",
        "左边",
        "右边",
        "因此",
        "因为",
        "所以",
        "条件",
        "成立",
        "矛盾",
        "排除",
        "箱子",
        "硬币",
        "红灯",
    ],
}


def row(text, sample=0, hinted=False):
    return {
        "text": text,
        "sample": sample,
        "prompt": f"choice/2/{'explain' if hinted else 'solve'}",
        "request": f"{sample}{hinted}{text}",
    }


def essay(seed, language="en", length=60):
    return ("" if language == "zh" else " ").join(random.Random(seed).choices(WORDS[language], k=length))


rows_of = st.lists(
    st.builds(
        row,
        st.one_of(
            st.text(max_size=40),
            st.builds(essay, st.integers(0, 6), st.sampled_from(["en", "zh"]), st.integers(1, 30)),
        ),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=9,
)
bounds = {"most": st.integers(1, 5), "near_copy": st.floats(0.05, 1.0)}


def kept(rows, most=8, near_copy=0.7):
    return [rows[index]["text"] for index, why in select(rows, most, near_copy) if why is None]


@settings(max_examples=60, deadline=None)
@given(rows=rows_of, **bounds)
def test_every_row_gets_one_verdict_and_at_most_so_many_are_kept(rows, most, near_copy):
    found = select(rows, most, near_copy)

    assert list(range(len(rows))) == [index for index, _ in found]
    assert {why for _, why in found} <= {None, "near-copy", "surplus"}
    verdicts = [why for _, why in found]
    assert min(most, len(rows) - verdicts.count("near-copy")) == verdicts.count(None)


@settings(max_examples=60, deadline=None)
@given(rows=rows_of, **bounds)
def test_no_two_that_are_kept_are_near_copies_and_each_copy_has_an_original(rows, most, near_copy):
    found = select(rows, most, near_copy)
    shapes = [shape(r["text"]) for r in rows]
    chosen = [index for index, why in found if why is None]
    originals = [index for index, why in found if why != "near-copy"]

    assert all(similarity(shapes[a], shapes[b]) < near_copy for a in chosen for b in chosen if a != b)
    for index, why in found:
        if why == "near-copy":
            assert any(similarity(shapes[index], shapes[other]) >= near_copy for other in originals)


@settings(max_examples=60, deadline=None)
@given(rows=rows_of, seed=st.integers(), **bounds)
def test_the_order_of_arrival_does_not_matter(rows, seed, most, near_copy):
    shuffled = random.Random(seed).sample(rows, len(rows))

    def verdicts(rows):
        return sorted((r["request"], str(why)) for r, (_, why) in zip(rows, select(rows, most, near_copy), strict=True))

    assert verdicts(rows) == verdicts(shuffled)


@settings(max_examples=60, deadline=None)
@given(rows=rows_of, **bounds)
def test_a_rationale_that_saw_the_key_never_displaces_one_that_did_not(rows, most, near_copy):
    alone = [r for r in rows if r["prompt"].endswith("solve")]
    both = select(rows, most, near_copy)

    unhinted = [why for r, (_, why) in zip(rows, both, strict=True) if r["prompt"].endswith("solve")]

    assert [why for _, why in select(alone, most, near_copy)] == unhinted


@settings(max_examples=60, deadline=None)
@given(rows=rows_of, **bounds)
def test_each_next_one_is_the_farthest_from_those_before_it(rows, most, near_copy):
    rows = [{**r, "prompt": "choice/2/solve"} for r in rows]
    shapes = {r["request"]: shape(r["text"]) for r in rows}
    steps = [{rows[i]["request"] for i, why in select(rows, n, near_copy) if why is None} for n in range(1, most + 1)]
    distinct = {rows[i]["request"] for i, why in select(rows, most, near_copy) if why != "near-copy"}
    for before, after in pairwise(steps):
        assert before <= after
        nearest = {
            request: max(similarity(shapes[request], shapes[other]) for other in before)
            for request in distinct - before
        }
        for new in after - before:
            assert min(nearest.values()) == nearest[new]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_copy_with_other_spaces_marks_and_case_is_a_near_copy(language):
    text = essay(1, language)
    copy = f"**{text.upper()}**。\n\n"

    assert [text] == kept([row(text), row(copy, 1)], near_copy=1.0)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_word_changed_in_sixty_is_a_near_copy_and_another_text_is_not(language):
    words, joint = essay(1).split(), " "
    if language == "zh":
        words, joint = random.Random(1).choices(WORDS["zh"], k=60), ""
    changed = joint.join([*words[:30], "乙" if language == "zh" else "green", *words[31:]])

    assert [joint.join(words), essay(2, language)] == kept(
        [row(joint.join(words)), row(changed, 1), row(essay(2, language), 2)]
    )


def test_a_relation_that_is_turned_round_is_a_difference():
    assert 2 == len(kept([row("a<b"), row("a>b", 1)], near_copy=1.0))


def test_the_first_sample_is_kept_first_and_the_farthest_next():
    near, far = essay(1) + " " + essay(3, length=30), essay(2)

    assert [essay(1), far] == kept([row(far, 2), row(near, 1), row(essay(1), 0)], most=2)[::-1]


@pytest.mark.parametrize(("most", "near_copy"), [(0, 0.7), (1, 0.0), (1, 1.1)])
def test_bounds_without_meaning_are_refused(most, near_copy):
    with pytest.raises(ValueError, match="expected at least 1"):
        select([], most, near_copy)
