import math

import pytest

from prompts import reading
from storage.records import FORCED, GREEDY, Question
from tasks.evaluate.elections import Electorate
from tasks.evaluate.generation import Reply

LAMP = Question("The lamp is red.", "Which colour?", ("red", "blue", "green"), "A", split="test")


def replies(subject: str, ask: str, said: list[str | None], logprobs: list[float] | None = None) -> list[Reply]:
    return [
        Reply(subject, ask, index, f"Answer: {letter}" if letter else "hm", "stop", 3, (logprobs or [-1.0] * len(said))[index])
        for index, letter in enumerate(said)
    ]  # fmt: skip


def test_votes_are_counted_in_the_order_of_their_numbers() -> None:
    voters = Electorate([LAMP])

    ballot = voters.ballots(voters.samples(reversed(replies("base", LAMP.id, ["A", None, "B"])))["base"])[LAMP.id]

    assert (("A", None, "B"), {"A": 1, "B": 1}) == (ballot.votes, ballot.tally)


def test_greedy_and_forced_replies_are_no_votes() -> None:
    voters = Electorate([LAMP])
    said = [Reply("base", LAMP.id, FORCED, " B", "stop", 1, None), Reply("base", LAMP.id, GREEDY, "Answer: B", "stop", 3, -1.0)]  # fmt: skip

    samples = voters.samples(said)["base"]

    assert ["forced", "answer-line"] == [s.extractor for s in samples]
    assert () == voters.ballots(samples)[LAMP.id].votes


def test_weights_let_one_sure_vote_win_over_two_that_guess() -> None:
    said = replies("base", LAMP.id, ["A", "B", "B"], [math.log(0.9), math.log(0.2), math.log(0.2)])

    def winner(weighting: str) -> str | None:
        voters = Electorate([LAMP], weighting=weighting)  # type: ignore[arg-type]
        return voters.ballots(voters.samples(said)["base"])[LAMP.id].winner

    assert ["B", "A"] == [winner("none"), winner("logprob")]


def test_subjects_vote_together_with_as_many_votes_each() -> None:
    voters = Electorate([LAMP])
    samples = voters.samples(replies("logic/1", LAMP.id, ["B", "B", "B"]) + replies("logic/2", LAMP.id, ["A", "A"]))

    ballot = voters.together([samples["logic/1"], samples["logic/2"]])[LAMP.id]

    assert ("B", "B", "A", "A") == ballot.votes


@pytest.mark.parametrize(("follows", "same"), [("option", 1.0), ("place", 0.0)])
def test_consistency_tells_who_follows_the_option_from_who_follows_the_place(follows: str, same: float) -> None:
    voters = Electorate([LAMP], shuffles=2)
    said = []
    for ask in voters.asks:
        assert ask.question is not None
        letter = "ABC"[ask.question.options.index("red")] if follows == "option" else "A"
        said += replies("base", ask.id, [letter] * 3)

    samples = voters.samples(said)["base"]
    found = voters.consistency(samples, voters.ballots(samples))

    assert found is not None
    assert (1, same) == (found["questions"], found["same"])
    assert [LAMP.id] == list(voters.ballots(samples))
    assert {LAMP.id} == {s.question for s in voters.own(samples)}


def test_without_other_orders_there_is_no_consistency() -> None:
    fixed = Question("p", "Which?", ("red", "all of the above"), "A")
    voters = Electorate([fixed], shuffles=3)

    assert 1 == len(voters.asks)
    assert voters.consistency([], {}) is None


def test_a_question_that_a_source_holds_under_two_orders_is_asked_once_and_in_full() -> None:
    first = Question("The lamp is red.", "Which colour?", ("red", "blue"), "A")
    second = Question("The lamp is red.", "Which colour?", ("blue", "red"), "B")

    voters = Electorate([first, second], shuffles=1)

    assert {first.id, second.id} == {a.id for a in voters.asks}
    assert all(a.greedy and a.forced for a in voters.asks)


def test_a_reply_that_breaks_the_reader_is_an_error_and_no_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    real = reading.stated

    def broken(text: str, options: object) -> object:
        return real(text, options) if "A" not in text.removeprefix("Answer") else 1 / 0  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "stated", broken)
    voters = Electorate([LAMP])
    samples = voters.samples(replies("base", LAMP.id, ["A", "B", "B"]))["base"]

    assert [None, "B", "B"] == [s.answer for s in samples]
    assert samples[0].extractor.startswith("error: ZeroDivisionError: division by zero")
    assert "B" == voters.ballots(samples)[LAMP.id].winner
