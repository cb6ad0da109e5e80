from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.vote import count
from storage.records import Question
from storage.samples import Samples
from tasks.sampler import FORCED, GREEDY, Asking, Decoding, Subject, letters, missing_votes, read
from tests.fakes_engine import FakeEngine, Rule, always, drawn

ENGLISH = Question("The lamp is red.", "Which colour?", ("red", "blue", "green"), "A", split="test")
CHINESE = Question("灯是红的。", "什么颜色？", ("红", "蓝"), "A", split="test")
BASE, ADAPTER = Subject("base", "weights-0"), Subject("logic/1", "weights-1", "folder")
RULES: dict[str, Rule] = {"base": always("no idea"), "logic/1": drawn({"Answer: A": 0.7, "Answer: B": 0.3})}


def asking(
    folder: Path,
    engine: FakeEngine,
    *,
    votes: int = 5,
    adaptive: str = "off",
    subjects: tuple[Subject, ...] = (BASE, ADAPTER),
    questions: tuple[Question, ...] = (ENGLISH, CHINESE),
) -> Asking:
    return Asking(
        engine_name="fake",
        subjects=subjects,
        questions={q.id: q for q in questions},
        prompts={q.id: q.problem for q in questions},
        decoding=Decoding(votes, adaptive, temperature=0.7, top_p=1.0, max_tokens=64, seed=0),
        context=None,
        store=Samples(folder),
        open=lambda: engine,
    )


def test_every_subject_is_asked_greedily_by_force_and_by_votes(tmp_path: Path) -> None:
    one = asking(tmp_path, FakeEngine(RULES))

    one.run()

    assert sorted(one.got) == sorted(
        (name, q.id, index) for name in ("base", "logic/1") for q in (ENGLISH, CHINESE) for index in range(FORCED, 5)
    )


def test_votes_of_one_question_are_drawn_with_different_seeds_and_greedy_ones_with_none(tmp_path: Path) -> None:
    engine = FakeEngine(RULES)

    asking(tmp_path, engine, subjects=(BASE,), questions=(ENGLISH,)).run()

    votes = [r for r in engine.asked if r.temperature > 0]
    assert 5 == len({r.seed for r in votes})
    assert [(0.0, 64), (0.0, 1)] == [(r.temperature, r.max_tokens) for r in reversed(engine.asked) if not r.temperature]


def test_a_killed_evaluation_asks_only_for_what_was_not_finished(tmp_path: Path) -> None:
    killed, after = FakeEngine(RULES, dies_after=9), FakeEngine(RULES)
    with pytest.raises(KeyboardInterrupt):
        asking(tmp_path, killed).run()

    again = asking(tmp_path, after)
    again.run()
    whole = asking(tmp_path / "other", FakeEngine(RULES))
    whole.run()

    assert 9 + len(after.asked) == len(whole.got)
    assert not {r.key for r in killed.asked} & {r.key for r in after.asked}
    assert whole.got == again.got


def test_more_votes_ask_only_for_the_new_ones(tmp_path: Path) -> None:
    asking(tmp_path, FakeEngine(RULES), votes=3).run()
    more = FakeEngine(RULES)

    asking(tmp_path, more, votes=5).run()

    assert 2 * 2 * (5 - 3) == len(more.asked)


def test_no_engine_is_opened_when_all_replies_are_there(tmp_path: Path) -> None:
    asking(tmp_path, FakeEngine(RULES)).run()
    again = asking(tmp_path, FakeEngine(RULES))

    again.run()

    assert again.engine is None
    assert 0 == again.asked


def test_other_weights_are_asked_anew(tmp_path: Path) -> None:
    asking(tmp_path, FakeEngine(RULES), subjects=(ADAPTER,)).run()
    retrained = FakeEngine(RULES)

    asking(tmp_path, retrained, subjects=(Subject("logic/1", "weights-2", "folder"),)).run()

    assert 2 * (5 + 2) == len(retrained.asked)


def test_two_names_of_the_same_weights_share_their_replies(tmp_path: Path) -> None:
    engine = FakeEngine(RULES)
    twins = (ADAPTER, Subject("logic/2", "weights-1", "folder"))

    one = asking(tmp_path, engine, subjects=twins)
    one.run()

    assert 2 * (5 + 2) == len(engine.asked)
    assert one.got["logic/1", ENGLISH.id, GREEDY] == one.got["logic/2", ENGLISH.id, GREEDY]


def test_exact_stopping_asks_less_and_elects_the_same(tmp_path: Path) -> None:
    full, early = FakeEngine(RULES), FakeEngine(RULES)
    one, other = asking(tmp_path / "a", full, votes=9), asking(tmp_path / "b", early, votes=9, adaptive="exact")

    one.run()
    other.run()

    def winners(of: Asking) -> list[str | None]:
        return [
            count(q, [read(q, i, of.got["logic/1", q.id, i].text).answer for i in range(9) if ("logic/1", q.id, i) in of.got]).winner
            for q in (ENGLISH, CHINESE)
        ]  # fmt: skip

    assert winners(one) == winners(other)
    assert len(early.asked) < len(full.asked)


@given(st.lists(st.sampled_from(["A", "B", "C", None]), min_size=1, max_size=9))
def test_a_settled_winner_is_that_of_all_votes(votes: list[str | None]) -> None:
    settled = next(
        k for k in range(len(votes) + 1) if missing_votes(ENGLISH, votes[:k], len(votes)) == 0 or k == len(votes)
    )

    assert count(ENGLISH, votes).winner == count(ENGLISH, votes[:settled]).winner


def test_votes_still_missing_are_the_fewest_that_could_settle_it() -> None:
    assert 3 == missing_votes(ENGLISH, [], 5)
    assert 0 == missing_votes(ENGLISH, ["A", "A", "A"], 5)
    assert 1 == missing_votes(ENGLISH, ["A", "A", "B"], 5)
    assert 1 == missing_votes(ENGLISH, ["A", "A"], 4)
    assert 2 == missing_votes(ENGLISH, [None, None, None], 5)


def test_letters_continue_the_answer_line_of_their_language() -> None:
    assert (" A", " B", " C") == letters(ENGLISH)
    assert ("A", "B") == letters(CHINESE)


def test_a_forced_reply_is_its_letter_and_an_overflow_is_none() -> None:
    assert ("B", "forced") == (read(ENGLISH, FORCED, " B").answer, read(ENGLISH, FORCED, " B").extractor)
    assert read(ENGLISH, FORCED, "").answer is None
    assert "C" == read(ENGLISH, GREEDY, "So green.\nAnswer: C").answer
    assert "truncated" == read(ENGLISH, GREEDY, "So green", "length").extractor
