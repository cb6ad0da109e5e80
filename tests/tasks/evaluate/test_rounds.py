from dataclasses import replace
from pathlib import Path

import pytest

from prompts.choice import HOUSE
from storage.records import FORCED, GREEDY, Message, Question
from storage.tables.samples import Samples
from tasks.evaluate.elections import Electorate
from tasks.evaluate.generation import Decoding, Reply, Subject
from tasks.evaluate.rounds import Asking
from tasks.kinds.asks import Ask
from tasks.kinds.choice import ask, read, shuffled
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
    asks: tuple[Ask, ...] = (ask(ENGLISH), ask(CHINESE)),
    prompts: tuple[str, ...] = ("{}", "{}"),
) -> Asking:
    decoding = Decoding(votes, temperature=0.7, top_p=1.0, max_tokens=64, seed=0, adaptive=adaptive)  # type: ignore[arg-type]
    return Asking(
        engine_name="fake",
        subjects={s.name: s for s in subjects},
        asks={a.id: a for a in asks},
        prompts={
            s.name: {a.id: prompt.format(a.messages[0].content) for a in asks}
            for s, prompt in zip(subjects, prompts, strict=False)
        },
        decoding=decoding,
        context=None,
        store=Samples(folder),
        open=lambda: engine,
    )


def winners(of: Asking, questions: list[Question]) -> list[str | None]:
    voters = Electorate(questions)
    replies = [Reply(*slot, kept.text, kept.finish, kept.tokens, kept.logprob) for slot, kept in sorted(of.got.items())]
    return [b.winner for found in voters.samples(replies).values() for b in voters.ballots(found).values()]


def test_every_subject_is_asked_greedily_by_force_and_by_votes(tmp_path: Path) -> None:
    one = asking(tmp_path, FakeEngine(RULES))

    one.run()

    assert sorted(one.got) == sorted(
        (name, q.id, index) for name in ("base", "logic/1") for q in (ENGLISH, CHINESE) for index in range(FORCED, 5)
    )


def test_each_subject_is_asked_with_the_prompts_rendered_for_it(tmp_path: Path) -> None:
    engine = FakeEngine(RULES)

    asking(tmp_path, engine, asks=(ask(ENGLISH),), prompts=("Q: {}", "[INST] {} [/INST]")).run()

    said = {(r.subject, r.prompt) for r in engine.asked if not r.letters}
    asked = ask(ENGLISH).messages[0].content
    assert {("base", f"Q: {asked}"), ("logic/1", f"[INST] {asked} [/INST]")} == said


def test_votes_of_one_question_are_drawn_with_different_seeds_and_greedy_ones_with_none(tmp_path: Path) -> None:
    engine = FakeEngine(RULES)

    asking(tmp_path, engine, subjects=(BASE,), asks=(ask(ENGLISH),)).run()

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


def test_another_round_draws_every_reply_anew_and_the_same_round_none(tmp_path: Path) -> None:
    asking(tmp_path, FakeEngine(RULES)).run()
    fresh, again = FakeEngine(RULES), FakeEngine(RULES)
    for engine in (fresh, again):
        one = asking(tmp_path, engine)
        one.decoding = replace(one.decoding, round="2026-11-22")
        one.run()

    assert (2 * 2 * (5 + 2), 0) == (len(fresh.asked), len(again.asked))


def test_two_names_of_the_same_weights_share_their_replies(tmp_path: Path) -> None:
    engine = FakeEngine(RULES)
    twins = (ADAPTER, Subject("logic/2", "weights-1", "folder"))

    one = asking(tmp_path, engine, subjects=twins)
    one.run()

    assert 2 * (5 + 2) == len(engine.asked)
    assert one.got["logic/1", ENGLISH.id, GREEDY] == one.got["logic/2", ENGLISH.id, GREEDY]


MANY = [Question(f"Lamp {n} is on.", "Which colour?", ("red", "blue", "green"), "A", split="test") for n in range(40)]
SPLIT: dict[str, Rule] = dict.fromkeys(("base", "logic/1"), drawn({"Answer: A": 0.5, "Answer: B": 0.3, "hm": 0.2}))


@pytest.mark.parametrize("votes", [1, 4, 9])
def test_exact_stopping_asks_less_and_elects_the_same(tmp_path: Path, votes: int) -> None:
    asks = tuple(map(ask, MANY))
    full = asking(tmp_path / "a", FakeEngine(SPLIT), votes=votes, asks=asks)
    early = asking(tmp_path / "b", FakeEngine(SPLIT), votes=votes, asks=asks, adaptive="exact")

    full.run()
    early.run()

    assert winners(full, MANY) == winners(early, MANY)
    assert early.got.items() <= full.got.items()
    assert early.asked < full.asked or votes == 1


def test_what_early_stopping_drew_is_not_drawn_again_for_the_full_vote(tmp_path: Path) -> None:
    early, full = FakeEngine(SPLIT), FakeEngine(SPLIT)
    asking(tmp_path, early, votes=9, adaptive="beta").run()

    asking(tmp_path, full, votes=9).run()

    assert 2 * 2 * (9 + 2) == len(early.asked) + len(full.asked)
    assert not {r.key for r in early.asked} & {r.key for r in full.asked}


def test_identical_options_settle_a_vote_as_one_answer(tmp_path: Path) -> None:
    twins = Question("The lamp is red.", "Which colour?", ("red", "blue", "red"), "A", split="test")
    engine = FakeEngine({"base": drawn({"Answer: A": 0.5, "Answer: C": 0.5})})

    asking(tmp_path, engine, votes=9, adaptive="exact", subjects=(BASE,), asks=(ask(twins),)).run()

    assert 5 == sum(r.temperature > 0 for r in engine.asked)


def test_an_ask_without_a_question_gets_all_its_votes_and_no_forced_letter(tmp_path: Path) -> None:
    free = Ask("sql-1", (Message("user", "How many lamps are red?"),))
    one = asking(tmp_path, FakeEngine(RULES), adaptive="exact", subjects=(BASE,), asks=(free,))

    one.run()

    assert [("base", "sql-1", index) for index in range(GREEDY, 5)] == sorted(one.got)


def test_an_ask_of_a_question_has_its_id() -> None:
    with pytest.raises(ValueError, match="its own id"):
        Ask("other", (), question=ENGLISH)


def test_other_orders_of_options_are_asked_by_votes_alone(tmp_path: Path) -> None:
    shown = list(shuffled(ENGLISH, 2))
    one = asking(tmp_path, FakeEngine(RULES), votes=3, subjects=(BASE,), asks=tuple(a for _, a in shown))

    one.run()

    assert [0, 1, 2] * 2 == [index for _, _, index in sorted(one.got)]
    for order, other in shown:
        assert other.question is not None
        assert tuple(ENGLISH.options[place] for place in order) == other.question.options


def test_letters_continue_the_answer_line_of_their_language() -> None:
    assert (" A", " B", " C") == HOUSE.letters(ENGLISH)
    assert ("A", "B") == HOUSE.letters(CHINESE)


def test_a_forced_reply_is_its_letter_and_an_overflow_is_none() -> None:
    assert ("B", "forced") == (read(ENGLISH, FORCED, " B").answer, read(ENGLISH, FORCED, " B").extractor)
    assert read(ENGLISH, FORCED, "").answer is None
    assert "C" == read(ENGLISH, GREEDY, "So green.\nAnswer: C").answer
    assert "truncated" == read(ENGLISH, GREEDY, "So green", "length").extractor
    assert ["overflow", "refused"] == [read(ENGLISH, 0, "", finish).extractor for finish in ("overflow", "refused")]
