"""Which tokens of a row are learnt: rows of messages -> samples of token ids and labels, for any chat template.

Row: {"id", "prompt": [{"role", "content", "train"}], "completion": [...]}; `train` may be absent or null, which is
true. An assistant's turn is found in the text, not guessed from marks in it: what the template writes for the
conversation up to the turn, with the reply's beginning, must be the beginning of what it writes with the turn, and
that the beginning of the whole. Both are checked for each turn, the first also token by token, because a model
answers after exactly these tokens. Templates that write a turn otherwise once others follow (Qwen3 takes its
thinking out, Yuan2 and Phi-3 end it with another token) fail the check and are refused.

Beside TRL's spelling: `completion_only_loss` trains everything after the prompt, users' turns included;
`assistant_only_loss` trains what `{% generation %}` encloses, so it needs a template with that tag and never
compares with what generation will see: in TRL's template for Qwen2.5 the line break that opens a turn is learnt,
which a model is always given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prompts.rendering import knows_thinking
from storage.records import PonensError
from tasks.tokenizing.renderer import Renderer, Tokens

IGNORED = -100
Row = Mapping[str, Any]
Loss = Literal["completion", "assistant", "last", "split"]
_BATCH = 256
# a reply may begin inside its thinking: then the template has written <think> before it
_THOUGHT = re.compile(r"\A(?:(?!<think>).)*?</think>|<think>.*?(?:</think>|\Z)", re.DOTALL)
_TAG = re.compile(r"</?think>")


@dataclass(frozen=True, slots=True)
class Teaching:
    """Which turns teach, and whether what stands between their think tags does, tags included."""

    loss: Loss = "completion"
    thinking: bool = True


@dataclass(frozen=True, slots=True)
class Sample:
    """What is trained on at once, at its full length: labels are IGNORED but for the tokens to learn."""

    name: str
    ids: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class _Turn:
    """One answer to learn: its words, the text before it as generation has it, and the text up to its end."""

    words: str
    head: str
    upto: str
    last: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    name: str
    whole: str
    turns: list[_Turn]


def samples(rows: Sequence[Row], renderer: Renderer, teaching: Teaching) -> Iterator[Sample]:
    """The samples of all rows, in order: one a row, or with "split" one for each answer.

    PonensError, naming the row, if no turn of it is to be learnt, if the template renders a turn otherwise than
    a model will meet it, or if tokens grow together across the ends of a turn.
    """
    for batch in _batches(rows):
        plans = [plan for row in batch for plan in _plans(row, renderer, teaching.loss)]
        wholes = renderer.tokens([plan.whole for plan in plans])
        heads = iter(renderer.tokens([turn.head for plan in plans for turn in plan.turns]))
        for plan, whole in zip(plans, wholes, strict=True):
            labels = [IGNORED] * len(whole.ids)
            for turn in plan.turns:
                for at in _learnt(plan, turn, whole, next(heads).ids, renderer, teaching.thinking):
                    labels[at] = whole.ids[at]
            yield Sample(plan.name, whole.ids, labels)


def nothing_to_learn(name: str, seen: str, hint: str) -> PonensError:
    """The error for a sample whose every label is masked."""
    return PonensError(
        f"{name} has no token to learn: every label is masked",
        seen=seen,
        expected="at least one token of an answer within max_length",
        hint=hint,
    )


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    yield from (rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH))


def _plans(row: Row, renderer: Renderer, loss: Loss) -> list[_Plan]:
    given = [*row["prompt"], *row["completion"]]
    messages, name = renderer.rendering.messages(given), f"row {row['id']}"
    before = len(messages) - len(given)  # a system prompt that was put in front
    answers = [n for n, m in enumerate(given) if m["role"] == "assistant"]
    if loss == "completion":
        answers = [n for n in answers if n >= len(row["prompt"])]
    chosen = [n for n in (answers[-1:] if loss == "last" else answers) if given[n].get("train") is not False]
    if not chosen:
        raise nothing_to_learn(
            name,
            f'{len(answers)} answers for loss = "{loss}", none of them to be trained',
            "drop the row, or take `train: false` from the turn that is to teach",
        )
    if loss == "split":
        numbers = {n: number for number, n in enumerate(answers, 1)}
        return [
            _plan(f"{name}, answer {numbers[n]}", messages[: before + n + 1], [before + n], renderer) for n in chosen
        ]
    return [_plan(name, messages, [before + n for n in chosen], renderer)]


def _plan(name: str, messages: list[dict[str, str]], turns: list[int], renderer: Renderer) -> _Plan:
    whole, end = renderer.text(messages, whose=name), len(messages) - 1
    return _Plan(
        name,
        whole,
        [
            _Turn(
                messages[n]["content"],
                renderer.text(messages[:n], asking=True, whose=name),
                whole if n == end else renderer.text(messages[: n + 1], whose=name),
                n == end,
            )
            for n in turns
        ],
    )


def _learnt(
    plan: _Plan, turn: _Turn, whole: Tokens, head: list[int], renderer: Renderer, thinking: bool
) -> Iterator[int]:
    """Positions in `whole` of the turn's tokens, all of them checked."""
    start, end = len(turn.head), len(turn.upto)
    _check_text(plan, turn, renderer)
    if whole.ids[: len(head)] != head:
        raise _grown(plan, turn, head, whole.ids, renderer)
    said = plan.whole[start:end]
    thoughts = [] if thinking else [(start + m.start(), start + m.end()) for m in _THOUGHT.finditer(said)]
    for at in range(len(head), len(whole.ids)):
        first, after = whole.offsets[at]
        if first >= end:
            break
        if after > end:
            raise PonensError(
                f"{plan.name}: a token reaches beyond the answer's end",
                seen=repr(plan.whole[first:after]),
                expected="an answer that ends on a token's boundary",
                hint='set [train] loss = "split", or a template that ends turns with a special token',
            )
        if not any(first < stop and after > begin for begin, stop in thoughts):
            yield at


def _check_text(plan: _Plan, turn: _Turn, renderer: Renderer) -> None:
    other = 'set [train] template to another one, such as "chatml"'
    mode = "set [train] thinking as the rows are, or another template" if _thinks(renderer) else other
    hint = 'set [train] loss = "split": each answer is then learnt as it will be asked for'
    if not plan.whole.startswith(turn.upto):
        raise PonensError(
            f"{plan.name}: the template writes an answer otherwise once other turns follow",
            seen=f"{_fork(plan.whole, turn.upto)} instead of {_fork(turn.upto, plan.whole)}",
            expected="turns that stay as they were when they were given (Qwen3 takes earlier thinking out, for one)",
            hint=hint,
        )
    if not turn.upto.startswith(turn.head):
        raise PonensError(
            f"{plan.name}: the prompt's text is no prefix of prompt and completion",
            seen=f"{_fork(turn.head, turn.upto)} is asked, {_fork(turn.upto, turn.head)} is learnt",
            expected="a template that renders the prompt alike in both",
            hint=mode if turn.last else hint,
        )
    said = turn.upto[len(turn.head) :]
    if lost := next((piece for piece in map(str.strip, _TAG.split(turn.words)) if piece not in said), None):
        raise PonensError(
            f"{plan.name}: the template leaves out part of what is to be learnt",
            seen=f"{lost[:60]!r} is in the row and not in {said[:60]!r}",
            expected="a template that writes the answer whole",
            hint="set [train] template to another one: this one drops the thinking of every answer",
        )


def _thinks(renderer: Renderer) -> bool:
    return knows_thinking(renderer.rendering.text)


def _grown(plan: _Plan, turn: _Turn, head: list[int], whole: list[int], renderer: Renderer) -> PonensError:
    decode = renderer.tokenizer.decode
    at = next((i for i, (a, b) in enumerate(zip(head, whole, strict=False)) if a != b), len(whole))
    return PonensError(
        f"{plan.name}: the prompt's tokens are no prefix of prompt and completion",
        seen=f"{decode(head[at:])!r} alone, {decode(whole[at : at + 8])!r} with the completion",
        expected="a template that renders the prompt alike in both, and ends it on a token's boundary",
        hint="tokens merge across the boundary: end the generation prompt with a newline or a special token",
    )


def _fork(text: str, other: str) -> str:
    """Where a text leaves the other, in a few words."""
    at = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    return repr(text[max(0, at - 12) : at + 24])
