"""The tally of rationales: its counts, its intervals, and the rule for keys in doubt."""

import random
import statistics
import tracemalloc

import pytest

from evals.report.rationales import Tally, is_hinted, told
from evals.stats import wilson
from storage.records import Question
from tests.evals.sample_rationales import row

HINTED = {"prompt": "choice/2/explain"}


def question(number: int = 0, key: str = "A", options: tuple[str, ...] = ("red", "green", "blue", "black")) -> Question:
    return Question(f"Problem {number}.", "Which?", options, key, f"p_{number}", "a.jsonl", number)


def tally_of(votes: str, asked: Question | None = None, **changes) -> Tally:
    """A tally of one question; a vote is a letter, or - for a reply that could not be read."""
    asked, made = asked or question(), Tally()
    made.see(asked, [row(asked, n, None if v == "-" else v, **changes) for n, v in enumerate(votes)])
    return made


@pytest.mark.parametrize(
    ("votes", "suspect"),
    [
        ("BB", "B"),
        ("BBA", "B"),  # two thirds
        ("BBB-", "B"),
        ("-B-B", "B"),
        ("BBBBAA", "B"),
        ("B", None),  # one vote says nothing
        ("B-", None),
        ("BA", None),
        ("BBAA", None),
        ("BBBAA", None),  # three fifths
        ("BBCD", None),
        ("AA", None),
        ("AAB", None),
        ("--", None),
        ("", None),
    ],
)
def test_a_key_is_in_doubt_where_two_thirds_and_two_answers_agree_against_it(votes, suspect):
    found = tally_of(votes).suspects()

    assert ([suspect] if suspect else []) == [s["answer"] for s in found]


def test_answers_that_saw_the_key_raise_no_doubt():
    made = tally_of("BBBB", **HINTED)

    assert [] == made.suspects()
    assert {"samples": 0, "judged": 0, "found": 0, "held": 0} == made.facts()["suspects"]


def test_options_of_equal_text_are_one_answer():
    twice = question(options=("red", "green", "green ", "red"))

    assert [("A", "B", ["B", "B"])] == [(s["key"], s["answer"], s["votes"]) for s in tally_of("BC", twice).suspects()]
    assert [] == tally_of("DD", twice).suspects()
    assert 2 == tally_of("DA", twice).facts()["unhinted"]["agree"]


def test_a_key_that_is_the_second_of_two_equal_options_keeps_its_letter():
    found = tally_of("BBA", question(key="D", options=("red", "green", "blue", "red"))).suspects()

    assert [("D", ["B", "B", "D"])] == [(s["key"], s["votes"]) for s in found]


def test_a_suspect_carries_what_a_person_needs_to_judge_it():
    asked, made = question(7), Tally()
    texts = ["Blue.\nAnswer: C", "Red.\nAnswer: A", "Blue.\nAnswer: C", "It is blue.\nAnswer: C", "Blue!\nAnswer: C"]
    made.see(asked, [row(asked, n, text[-1], text=text) for n, text in enumerate(texts)][::-1])

    (suspect,) = made.suspects()

    assert {
        "rank": 1,
        "question": asked.id,
        "source_id": "p_7",
        "file": "a.jsonl",
        "line": 7,
        "problem": "Problem 7.",
        "asked": "Which?",
        "options": ["red", "green", "blue", "black"],
        "key": "A",
        "answer": "C",
        "votes": ["C", "A", "C", "C", "C"],
        "share": 0.8,
        "strength": wilson(4, 5)[0],
        "evidence": [texts[0], texts[3]],  # of those that differ, the first two
    } == suspect


def test_the_strongest_doubt_stands_first_whatever_the_order_of_questions():
    votes = ["BBA", "BB", "BBBB", "BBBA", "BBBBBBBA", "CCCC"]
    asked = [question(n) for n in range(len(votes))]
    orders = [list(range(len(votes))), list(range(len(votes)))[::-1]]
    found = []
    for order in orders:
        made = Tally(held=4)
        for n in order:
            made.see(asked[n], [row(asked[n], sample, vote) for sample, vote in enumerate(votes[n])])
        found.append([(s["rank"], "".join(s["votes"])) for s in made.suspects()])
        assert {"samples": 8, "judged": 6, "found": 6, "held": 4} == made.facts()["suspects"]

    assert found[0] == found[1]
    assert [1, 2, 3, 4] == [rank for rank, _ in found[0]]
    assert ["BBBBBBBA", {"BBBB", "CCCC"}, "BB"] == [found[0][0][1], {v for _, v in found[0][1:3]}, found[0][3][1]]


def test_counts_by_prompt_yield_and_reason():
    made = Tally()
    for n, votes in enumerate(["AAB", "BB-", "A"]):
        asked = question(n)
        made.see(asked, [row(asked, i, None if v == "-" else v) for i, v in enumerate(votes)])
    asked = question(9)
    told_off = {"kept": False, "reason": "betrays the key"}
    made.see(asked, [row(asked, 0, "B"), row(asked, 0, "A", **HINTED), row(asked, 1, "A", **HINTED, **told_off)])
    facts = made.facts()

    assert [1, 2, 1] == facts["yields"]
    assert (4, 10, 4) == (facts["questions"], facts["requests"], facts["kept"])
    assert [
        {"prompt": "choice/2/solve", "hinted": False, "requests": 8, "read": 7, "agree": 3, "kept": 3},
        {"prompt": "choice/2/explain", "hinted": True, "requests": 2, "read": 2, "agree": 2, "kept": 1},
    ] == facts["prompts"]
    assert {"betrays the key": 1, "disagrees": 4, "unreadable": 1} == facts["rejected"]
    assert (7, 3, 3 / 7) == tuple(facts["unhinted"][k] for k in ("read", "agree", "share"))
    assert (2, 2, 1.0) == tuple(facts["hinted"][k] for k in ("read", "agree", "share"))
    assert ["qwen-max"] == facts["models"]


def test_one_reply_a_question_has_wilson_s_interval():
    made = Tally()
    for n in range(50):
        made.see(question(n), [row(question(n), 0, "B" if n % 5 == 0 else "A")])

    assert pytest.approx(wilson(40, 50)) == made.facts()["unhinted"]["ci95"]


def test_replies_that_only_repeat_each_other_narrow_no_interval():
    made = Tally()
    for n in range(50):
        made.see(question(n), [row(question(n), sample, "B" if n % 5 == 0 else "A") for sample in range(8)])
    sure = Tally()
    for n in range(50):
        sure.see(question(n), [row(question(n), sample, "A") for sample in range(8)])

    assert pytest.approx(wilson(40, 50)) == made.facts()["unhinted"]["ci95"]
    assert pytest.approx(wilson(50, 50)) == sure.facts()["unhinted"]["ci95"]


def test_replies_that_do_not_hang_together_count_nearly_in_full():
    made, draw = Tally(), random.Random(3)
    for n in range(400):
        made.see(question(n), [row(question(n), s, "A" if draw.random() < 0.7 else "B") for s in range(4)])
    facts = made.facts()["unhinted"]
    full, low, high = wilson(facts["agree"], 1600), *facts["ci95"]

    assert 0.9 < (high - low) / (full[1] - full[0]) < 1.2


def test_no_reply_leaves_nothing_known():
    facts = tally_of("--").facts()

    assert {"read": 0, "agree": 0, "share": None, "ci95": [0.0, 1.0]} == facts["unhinted"]
    assert facts["lengths"] is None
    assert facts["cost_per_kept"] is None
    assert [1] == facts["yields"]


def test_lengths_are_right_to_their_stated_error():
    draw, made, lengths = random.Random(1), Tally(), []
    for n in range(3000):
        lengths.append(round(draw.lognormvariate(6, 0.8)) + 30)
        made.see(question(n), [row(question(n), 0, "A", text="x" * lengths[-1])])
    facts = made.facts()["lengths"]
    cuts = statistics.quantiles(lengths, n=20, method="inclusive")

    assert max(lengths) == facts["max"]
    for name, exact in (("p5", cuts[0]), ("p25", cuts[4]), ("p50", cuts[9]), ("p75", cuts[14]), ("p95", cuts[18])):
        assert pytest.approx(exact, rel=0.016) == facts[name]  # 1.1 %, and between two neighbours
    assert 3000 == sum(count for _, _, count in facts["bins"])
    assert len(facts["bins"]) <= 41
    assert all(a[1] == b[0] for a, b in zip(facts["bins"], facts["bins"][1:], strict=False))


def test_one_and_a_million_characters_share_a_short_histogram():
    made = Tally()
    for n, length in enumerate((1, 40, 1_000_000)):
        made.see(question(n), [row(question(n), 0, "A", text="x" * length)])
    facts = made.facts()["lengths"]

    assert (1, 1_000_000) == (facts["p5"], facts["max"])
    assert len(facts["bins"]) <= 41


def test_an_unknown_cost_is_unknown_and_not_0():
    asked = question()

    def cost_of(*rows):
        made = Tally()
        made.see(asked, rows)
        return made.facts()["cost"], made.facts()["cost_per_kept"], made.facts()["out_tokens"]

    assert (pytest.approx(0.003), pytest.approx(0.0015), 300) == cost_of(
        row(asked, 0, "A"), row(asked, 1, "A"), row(asked, 2, "B")
    )
    assert (None, None, None) == cost_of(row(asked, 0, "A"), row(asked, 1, "B", cost=None, out_tokens=None))
    never = {"text": None, "kept": False, "reason": "unanswered", "cost": None, "out_tokens": None}
    assert (0.001, 0.001, 100) == cost_of(row(asked, 0, "A"), row(asked, 1, None, **never))


@pytest.mark.parametrize(
    ("votes", "changes", "said"),
    [
        ("BB", HINTED, "always shown the key"),
        ("B", {}, "asked once a question: no suspect can be told"),
        ("B--", {}, "No question has two readable answers"),
        ("AA", {}, "on none of 1 questions"),
        ("BB", {}, "on 1 of 1 questions"),
    ],
)
def test_what_can_be_said_of_the_keys(votes, changes, said):
    assert said in told(tally_of(votes, **changes).facts()["suspects"])


def test_a_question_without_a_key_is_refused():
    with pytest.raises(ValueError, match="has no key"):
        Tally().see(question(key=None), [])


def test_the_prompt_s_name_says_whether_the_key_was_shown():
    assert [False, True] == [is_hinted({"prompt": f"choice/9/{kind}"}) for kind in ("solve", "explain")]


def test_memory_does_not_grow_with_questions():
    made, long = Tally(held=50), "word " * 400

    def see(first: int, last: int) -> int:
        for n in range(first, last):
            asked = question(n)
            made.see(asked, [row(asked, s, "B", text=f"{long}{n}{s}") for s in range(2)])
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    early, late = see(0, 200), see(200, 1200)
    tracemalloc.stop()

    assert late < early + 100_000
    assert 1200 == made.facts()["suspects"]["found"]
