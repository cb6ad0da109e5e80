"""The driver that many threads share, with an engine that counts steps; and real vLLM on a tiny model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from storage.home import Home
from storage.journal import rows
from storage.records import PonensError, UsageError
from tasks.clients.faults import TeacherError
from tasks.engines.interface import Encoded, Reader, Request
from tasks.reason.step import TABLE, ReasonSpec
from tasks.teachers.build import TeacherSpec, model_name, teacher
from tasks.teachers.vllm import Driver, parted
from tests.tasks.asking import run
from tests.tasks.runs import questions
from tests.tiny import tiny_base


class Words:
    """A tokenizer of one token a letter."""

    eos_token_id = 0

    def __call__(self, texts: list[str], **options: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        return "".join(map(chr, ids))


class Echo:
    """Says each prompt backwards, a letter a step; `waits` until so many are in flight, breaks at step `breaks`."""

    def __init__(self, *, waits: int = 1, breaks: int | None = None) -> None:
        self.reader = Reader(Words(), context=20)
        self.waits, self.breaks = waits, breaks
        self.left: dict[str, int] = {}
        self.asked: dict[str, Encoded] = {}
        self.most = self.steps = 0
        self.closed = threading.Event()

    def begin(self, number: str, encoded: Encoded) -> None:
        self.left[number], self.asked[number] = len(encoded.ids), encoded
        self.most = max(self.most, len(self.left))

    def step(self) -> Iterator[tuple[str, list[int], float | None]]:
        self.steps += 1
        if self.steps == self.breaks:
            raise MemoryError("no more room")
        if len(self.asked) < self.waits:
            return
        for number in list(self.left):
            self.left[number] -= 1
            if self.left[number] == 0:
                del self.left[number]
                yield number, [*reversed(self.asked[number].ids), 0], None

    def abort(self, number: str) -> None:
        del self.left[number]

    def close(self) -> None:
        self.closed.set()


def request(prompt: str) -> Request:
    return Request("", "base", prompt, max_tokens=10)


def test_all_who_ask_are_in_flight_together_and_each_gets_its_own_reply() -> None:
    engine = Echo(waits=16)
    driver = Driver(lambda: engine)
    prompts = [f"word {n}" for n in range(16)]
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(lambda prompt: driver.ask(request(prompt)), prompts))
    driver.close()

    assert [prompt[::-1] for prompt in prompts] == [completion.text for completion, _ in replies]
    assert [len(prompt) for prompt in prompts] == [sent for _, sent in replies]
    assert engine.most == 16
    assert engine.closed.is_set()


def test_a_broken_engine_is_an_error_to_all_who_wait_and_all_who_come_later() -> None:
    driver = Driver(lambda: Echo(waits=99, breaks=50))
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(driver.ask, request(f"word {n}")) for n in range(4)]
        for reply in asked:
            with pytest.raises(PonensError, match="no more room"):
                reply.result(20)
    with pytest.raises(PonensError, match="no more room"):
        driver.ask(request("late"), timeout=20)
    driver.close()


def test_who_waits_too_long_is_taken_out_of_flight() -> None:
    engine = Echo(waits=2)
    driver = Driver(lambda: engine)
    with pytest.raises(TimeoutError):
        driver.ask(request("first"), timeout=0.05)

    assert driver.ask(request("second"), timeout=20)[0].text == "dnoces"
    assert engine.left == {}
    driver.close()


def test_a_prompt_without_room_fails_alone_and_what_cannot_be_loaded_fails_at_once() -> None:
    driver = Driver(Echo)
    with pytest.raises(TeacherError, match="leaves no room"):
        driver.ask(request("x" * 20))
    driver.close()

    def open_() -> Echo:
        raise OSError("no such weights")

    with pytest.raises(OSError, match="no such weights"):
        Driver(open_)


@pytest.mark.parametrize(
    ("text", "opened", "expected"),
    [
        ("<think>Hm.</think>\nAnswer: B", False, ("Hm.", "Answer: B")),
        ("Hm.\n</think>\nAnswer: B", True, ("Hm.", "Answer: B")),
        ("<think>\n\n</think>\n\nAnswer: B", False, ("", "Answer: B")),
        ("<think>Hm, cut", False, ("Hm, cut", "")),
        ("Hm, cut", True, ("Hm, cut", "")),
        ("Answer: B", False, ("", "Answer: B")),
    ],
)
def test_a_thought_is_parted_from_what_is_said(text: str, opened: bool, expected: tuple[str, str]) -> None:
    assert parted(text, thinking=opened) == expected


def test_the_ledger_knows_weights_by_what_they_are(tmp_path: Path) -> None:
    for name, weights in (("one", b"a"), ("two", b"b")):
        (tmp_path / name / "tiny").mkdir(parents=True)
        (tmp_path / name / "tiny" / "config.json").write_text("{}")
        (tmp_path / name / "tiny" / "model.safetensors").write_bytes(weights)
    one, two = (model_name(TeacherSpec(teacher="vllm", model=str(tmp_path / name / "tiny"))) for name in ("one", "two"))

    assert one.startswith("tiny@")
    assert one != two
    assert model_name(TeacherSpec(teacher="vllm", model="Qwen/Q", revision="abc")) == "Qwen/Q@abc"
    with pytest.raises(UsageError, match="is not there"):
        model_name(TeacherSpec(teacher="vllm", model=str(tmp_path / "none")))


@pytest.mark.heavy
@pytest.mark.vllm
def test_a_tiny_model_writes_samples_that_differ_and_can_be_repeated(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tiny_base(tmp_path_factory.mktemp("vllm") / "tiny")
    spec = ReasonSpec(
        teacher="vllm", model=str(base), prompt="solve", samples=3, max_tokens=24, workers=8, max_unanswered=1.0
    )
    first = run(tmp_path / "first", spec, questions(4))
    again = run(tmp_path / "again", spec, questions(4))  # in the same process: the first has given all back
    texts = pl.read_parquet(tmp_path / "first" / "work" / TABLE)
    ledger = list(rows(Home(tmp_path / "first").ledger))

    assert first.identity == again.identity
    assert first.facts["asked"] == 12
    assert texts.group_by("question").agg(pl.col("text").n_unique())["text"].to_list() == [3] * 4
    assert {row["model"] for row in ledger} == {model_name(spec)}
    assert all(row["tokens"]["in"] > 10 and 1 <= row["tokens"]["out"] <= 24 for row in ledger)
    assert {row["finish"] for row in ledger} <= {"stop", "length"}
    assert {row["cost"] for row in ledger} == {0.0}
    with pytest.raises(UsageError, match="thinking_budget"):
        teacher(TeacherSpec(teacher="vllm", model=str(base), thinking_budget=5))
