"""Which tokens are learnt, exactly: every mode with every template, against texts written down by hand."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from prompts.rendering import Wish
from storage.records import PonensError
from tasks.tokenizing.masks import IGNORED, Loss, Teaching, samples
from tasks.tokenizing.renderer import Renderer, fit
from tests.conversations import FASTCHAT, OWN, fastchat, row, turns
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.heavy  # transformers, though not torch
needs_fastchat = pytest.mark.skipif(
    not FASTCHAT.exists(), reason="FastChat's conversations are not beside this checkout"
)
NAMES = ("own", "chatml", "mistral", "yuan2")
LOSSES: tuple[Loss, ...] = ("completion", "assistant", "last", "split")
Piece = tuple[str, int | None]  # a piece of text, and the number of the message if it is an answer's


def chatml(messages: list[dict[str, Any]]) -> Iterator[Piece]:
    for n, m in enumerate(messages):
        yield f"<|im_start|>{m['role']}\n", None
        yield f"{m['content']}<|im_end|>\n", n if m["role"] == "assistant" else None


def mistral(messages: list[dict[str, Any]]) -> Iterator[Piece]:
    system = ""
    for n, m in enumerate(messages):
        if m["role"] == "system":
            system = f"{m['content']}\n\n"
        elif m["role"] == "user":
            yield f"[INST] {system}{m['content']} [/INST]", None
            system = ""
        else:
            yield f" {m['content']}<|im_end|>", n


def yuan2(messages: list[dict[str, Any]]) -> Iterator[Piece]:
    for n, m in enumerate(messages):
        if m["role"] == "system":
            yield f"{m['content']}\n", None
        else:
            last = n == len(messages) - 1
            yield (
                m["content"] + ("<eod>" if last else "<sep>" if n == len(messages) - 2 else "<n>"),
                n if last else None,
            )


BY_HAND: dict[str, Callable[[list[dict[str, Any]]], Iterator[Piece]]] = {
    "own": chatml, "chatml": chatml, "mistral": mistral, "yuan2": yuan2
}  # fmt: skip


def renderer(name: str = "own", **wish: Any) -> Renderer:
    return fit(tiny_tokenizer(), Wish(name, **wish))  # type: ignore[arg-type]


def learnt(ids: list[int], labels: list[int], tokenizer: Any) -> list[str]:
    """The texts of the runs of learnt tokens."""
    marked = groupby(zip(ids, labels, strict=True), lambda pair: pair[1] != IGNORED)
    return [tokenizer.decode([id for id, _ in run]) for teaches, run in marked if teaches]


def expected(messages: list[dict[str, Any]], name: str, chosen: set[int]) -> tuple[str, list[str]]:
    pieces = list(BY_HAND[name](messages))
    return "".join(text for text, _ in pieces), [text for text, n in pieces if n in chosen]


def chosen(row: dict[str, Any], loss: Loss) -> list[tuple[list[dict[str, Any]], set[int]]]:
    """For each sample its messages, and which of them teach."""
    messages = row["prompt"] + row["completion"]
    answers = [n for n, m in enumerate(messages) if m["role"] == "assistant" and m.get("train") is not False]
    if loss == "split":
        return [(messages[: n + 1], {n}) for n in answers]
    return [(messages, set(answers) if loss == "assistant" else set(answers[-1:]))]


def exact(rows: list[dict[str, Any]], name: str, loss: Loss) -> int:
    """Hold every sample against the text by hand; the number of samples."""
    one = renderer(name)
    found = list(samples(rows, one, Teaching(loss)))
    wanted = [expected(messages, name, which) for row in rows for messages, which in chosen(row, loss)]

    assert [text for text, _ in wanted] == [one.tokenizer.decode(sample.ids) for sample in found]
    assert [pieces for _, pieces in wanted] == [learnt(s.ids, s.labels, one.tokenizer) for s in found]
    for sample, (text, _) in zip(found, wanted, strict=True):
        assert one.tokenizer(text, add_special_tokens=False)["input_ids"] == sample.ids
        assert all(label in (IGNORED, id) for id, label in zip(sample.ids, sample.labels, strict=True))
    return len(found)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_own_conversations_teach_exactly_their_answers(name: str, loss: Loss) -> None:
    rows = OWN[:1] if (name, loss) == ("yuan2", "assistant") else OWN

    assert exact(rows, name, loss) == (6 if loss == "split" else len(rows))


@needs_fastchat
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_real_conversations_teach_exactly_their_answers(name: str, loss: Loss) -> None:
    rows = fastchat(500)
    if (name, loss) == ("yuan2", "assistant"):
        rows = [r for r in rows if len(r["prompt"]) == 1]

    assert exact(rows, name, loss) == (sum(len(r["prompt"]) + 1 for r in rows) // 2 if loss == "split" else len(rows))


def test_a_template_that_ends_an_answer_otherwise_once_others_follow_is_refused() -> None:
    with pytest.raises(PonensError, match=r"row two: the template writes an answer otherwise(.|\n)*loss = \"split\""):
        list(samples(OWN, renderer("yuan2"), Teaching("assistant")))


@pytest.mark.parametrize("name", ["own", "mistral"])
def test_a_turn_that_is_not_to_be_trained_teaches_in_no_mode(name: str) -> None:
    messages = turns("a", "first", "b", "second", "c", "third")
    messages[3] = messages[3] | {"train": False}
    messages[1] = messages[1] | {"train": None}
    one = row("r", messages, completion=5)

    for loss in ("completion", "assistant"):
        [sample] = samples([one], renderer(name), Teaching(loss))  # type: ignore[arg-type]
        said = [text.split("<|im_end|>")[0].strip() for text in learnt(sample.ids, sample.labels, tiny_tokenizer())]
        assert ["first", "third"] == said
    assert ["row r, answer 1", "row r, answer 3"] == [s.name for s in samples([one], renderer(name), Teaching("split"))]


def test_a_completion_s_users_do_not_teach_and_a_prompt_s_answers_neither() -> None:
    [sample] = samples([row("r", turns("a", "old", "b", "new", "c", "last"), 3)], renderer(), Teaching())

    assert ["new<|im_end|>\n", "last<|im_end|>\n"] == learnt(sample.ids, sample.labels, tiny_tokenizer())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_with_nothing_to_train_is_an_error_that_names_it(loss: Loss) -> None:
    messages = [m | {"train": False} for m in turns("a", "b", "c", "d")]

    with pytest.raises(PonensError, match="row r has no token to learn: every label is masked"):
        list(samples([row("r", messages)], renderer(), Teaching(loss)))


def test_the_last_answer_teaches_only_if_it_is_to_be_trained() -> None:
    messages = turns("a", "b", "c", "d")
    messages[-1]["train"] = False

    with pytest.raises(PonensError, match="row r has no token"):
        list(samples([row("r", messages)], renderer(), Teaching("last")))


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("<think>\nlet me see\n</think>\n\nEast.", ["\n\nEast.<|im_end|>\n"]),
        ("<think></think> East.", [" East.<|im_end|>\n"]),
        ("First <think>hm</think>north, <think>hm</think> south.", ["First ", "north, ", " south.<|im_end|>\n"]),
        ("let me see\n</think>\nEast.", ["\nEast.<|im_end|>\n"]),
        ("No thought at all.", ["No thought at all.<|im_end|>\n"]),
    ],
)
def test_thinking_is_left_out_or_learnt(words: str, kept: list[str]) -> None:
    one = row("r", turns("Where to?", words))
    [with_it] = samples([one], renderer(), Teaching())
    [without] = samples([one], renderer(), Teaching(thinking=False))

    assert [f"{words}<|im_end|>\n"] == learnt(with_it.ids, with_it.labels, tiny_tokenizer())
    assert kept == learnt(without.ids, without.labels, tiny_tokenizer())
    assert with_it.ids == without.ids


def test_the_system_prompt_stands_before_rows_that_bring_none() -> None:
    one = renderer(system="Answer in one word.")
    found = [one.tokenizer.decode(s.ids) for s in samples(OWN, one, Teaching())]

    assert [True, True, False] == ["Answer in one word." in text for text in found]
    assert [1, 1, 1] == [text.count("system") for text in found]


# templates as their models have them, from the library that carries them


def theirs(name: str) -> str:
    spec = importlib.util.find_spec("trl")
    assert spec and spec.submodule_search_locations
    return (Path(spec.submodule_search_locations[0]) / "chat_templates" / f"{name}.jinja").read_text("utf-8")


def of(name: str, thinking: bool | None = None) -> Renderer:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template, tokenizer.bos_token = theirs(name), "<|endoftext|>"
    return fit(tokenizer, Wish(thinking=thinking))


THOUGHT = "<think>\nhm\n</think>\n\n"


@pytest.mark.parametrize("thinking", [None, True, False])
def test_qwen3_is_refused_over_several_turns_and_exact_when_split(thinking: bool | None) -> None:
    one = of("qwen3", thinking)
    plain = row("r", turns("a", "first", "b", "second"))

    with pytest.raises(PonensError, match=r"row r: the template writes an answer otherwise(.|\n)*split"):
        list(samples([plain], one, Teaching("assistant")))
    given = "" if thinking is False else "<think>\n\n</think>\n\n"
    assert [[f"{given}{words}<|im_end|>\n"] for words in ("first", "second")] == [
        learnt(s.ids, s.labels, one.tokenizer) for s in samples([plain], one, Teaching("split"))
    ]


def test_qwen3_s_empty_thoughts_are_not_learnt_where_thinking_is_not() -> None:
    one = of("qwen3")
    [sample] = samples([row("r", turns("a", "b"))], one, Teaching(thinking=False))

    assert ["\n\nb<|im_end|>\n"] == learnt(sample.ids, sample.labels, one.tokenizer)


def test_thoughts_in_the_rows_do_not_go_with_the_mode_without() -> None:
    with pytest.raises(PonensError, match=r"row r: the prompt's text is no prefix(.|\n)*\[train\] thinking"):
        list(samples([row("r", turns("a", f"{THOUGHT}b"))], of("qwen3", thinking=False), Teaching()))


def test_a_template_that_drops_thoughts_is_refused_rather_than_trained_without_them() -> None:
    one = of("deepseek_r1_distill")

    with pytest.raises(PonensError, match="row r: the prompt's text is no prefix"):
        list(samples([row("r", turns("a", f"{THOUGHT}b"))], one, Teaching()))
    one.tokenizer.chat_template = one.tokenizer.chat_template.replace("<｜Assistant｜><think>\\n", "<｜Assistant｜>")
    with pytest.raises(PonensError, match=r"row r: the template leaves out part(.|\n)*'hm'"):
        list(samples([row("r", turns("a", f"{THOUGHT}b"))], one, Teaching()))


@pytest.mark.parametrize(("name", "end"), [("llama3", "<|eot_id|>"), ("gemma", "<end_of_turn>\n")])
def test_other_families_teach_their_answers_over_several_turns(name: str, end: str) -> None:
    one = of(name)
    [sample] = samples([row("r", turns("a", "first", "b", "second"))], one, Teaching("assistant"))

    assert [f"first{end}", f"second{end}"] == learnt(sample.ids, sample.labels, one.tokenizer)


def test_a_template_that_closes_the_whole_conversation_with_a_mark_is_exact_when_split() -> None:
    one, rows = of("phi3"), [row("r", turns("a", "first", "b", "second"))]

    with pytest.raises(PonensError, match="row r: the template writes an answer otherwise"):
        list(samples(rows, one, Teaching("assistant")))
    assert [["first<|end|>\n<|im_end|>"], ["second<|end|>\n<|im_end|>"]] == [
        learnt(s.ids, s.labels, one.tokenizer) for s in samples(rows, one, Teaching("split"))
    ]


def test_trl_s_assistant_mask_learns_a_line_break_that_generation_is_given() -> None:
    """Where TRL's `assistant_only_loss` differs: its template for Qwen2.5 begins the turn before its line break."""
    one = of("qwen2_5")
    messages = turns("a", "first", "b", "second")
    [ours] = samples([row("r", messages)], one, Teaching("assistant"))
    trl = one.tokenizer.apply_chat_template(
        messages, chat_template=theirs("qwen2_5_training"), return_dict=True, return_assistant_tokens_mask=True
    )
    labels = [id if kept else IGNORED for id, kept in zip(trl["input_ids"], trl["assistant_masks"], strict=True)]

    assert ours.ids == trl["input_ids"]
    assert ["first<|im_end|>\n", "second<|im_end|>\n"] == learnt(ours.ids, ours.labels, one.tokenizer)
    assert ["\nfirst<|im_end|>\n", "\nsecond<|im_end|>\n"] == learnt(ours.ids, labels, one.tokenizer)


def test_a_conversation_that_the_template_refuses_is_an_error_that_names_the_row() -> None:
    odd = row("r", [{"role": "assistant", "content": "I begin."}, *turns("a", "b")])

    with pytest.raises(PonensError, match=r"refuses row r(.|\n)*takes turns"):
        list(samples([odd], renderer("mistral"), Teaching()))
