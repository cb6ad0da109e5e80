"""Questions and rationales, or dialogues -> a snapshot: an example for each kept rationale or dialogue, as messages.

    train.parquet, valid.parquet   prompt: […, user], completion: [assistant]; it is the prompt that evaluation asks
    examples.parquet, drops.parquet
    card.json                      what it is made of; card.md and card.html say it in words

Test questions stay out, copies are dropped, and no problem stands on two sides. With `shuffle`, training
examples come again with their options in another order, which balances the letters of the keys. A dialogue's
completion is its last answer that is to be learnt; what follows that would teach nothing and is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evals.corrected import noted
from prompts import shuffle
from prompts.choice import HOUSE, Choice
from prompts.worded import Worded
from storage.dialogues import Dialogue, Kind
from storage.home import Home
from storage.records import PonensError, Question, Receipt
from storage.tables import lineage, snapshots
from storage.tables.dialogue_files import DIALOGUES, Dialogues
from storage.tables.questions import QUESTIONS
from tasks.assemble import card
from tasks.kinds.registry import KINDS, Prompt, Wording
from tasks.runtime.step import Result, Step, Tick, Workshop, of

RATIONALES = "rationales.parquet"
_GUARDS = {"min_share_of_parent", "allow_shrink"}  # of the spec, what leaves the snapshot as it is
_BATCH = 1_000  # dialogues
_TOLD = 4  # reasons that a refusal names


class AssembleSpec(BaseModel):
    """How rationales become examples, and what is asked of the snapshot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bare: bool = Field(False, description="Teach the bare answer line instead of the rationale: the ablation.")
    shuffle: int = Field(
        0,
        ge=0,
        le=24,
        description="Copies of each training example with its options in another order; 3 balance A to D.",
    )
    license: str | dict[str, str] = Field(
        "", description="Licence of the sources as their owners give it, or one by file, for the data card."
    )
    min_share_of_parent: float = Field(
        0.5, ge=0, le=1, description="Refuse a snapshot with a smaller share of the rows of the recipe's previous one."
    )
    allow_shrink: bool = Field(False, description="Take a snapshot however much smaller it is.")


def step(
    spec: AssembleSpec,
    parsed: Receipt,
    rationales: Receipt | None = None,
    kind: Kind = "choice",
    *,
    recipe: str | None = None,
    base_model: str = "",
    words: Choice | Prompt | None = None,
) -> Step:
    """The step that publishes a snapshot of examples from the artifacts of parse and, for multiple choice, reason.

    `recipe` is the name whose lineage the snapshot joins; without one it has no parent. A parent is no
    part of the key: the same examples are the same snapshot, whatever came before them. Nor is
    `base_model`, by whose tokenizer the data card counts. `words` are the recipe's own, if it has some.
    """
    choose = {"kind": kind} if rationales is None else {}
    own = words.settings if isinstance(words, Choice | Worded) else {}

    def work(shop: Workshop) -> Result:
        if rationales is None:
            prompt = KINDS[kind].worded(words)
            result = _dialogues(shop, spec, recipe or "", base_model, parsed, kind, prompt)
        else:
            asking = words if isinstance(words, Choice) else HOUSE
            result = _questions(shop, spec, recipe or "", base_model, parsed, rationales, asking)
        return replace(result, facts={**result.facts, **own, **noted(parsed.facts.get("corrections"))})

    return Step(
        name="assemble",
        code=(__name__,),
        settings=spec.model_dump(exclude=_GUARDS) | choose | own | noted(parsed.facts.get("corrections")),
        inputs={"questions": of(parsed)} | ({"rationales": of(rationales)} if rationales else {}),
        work=work,
        shelf="snapshots",
        tables={"examples": snapshots.EXAMPLES, "drops": snapshots.DROPS},
        pages=card.PAGES,
        admit=lambda home, facts: _succession(home, spec, recipe, facts) if recipe else nullcontext(),
    )


@contextmanager
def _succession(home: Home, spec: AssembleSpec, recipe: str, facts: Mapping[str, Any]) -> Iterator[None]:
    """Admit a snapshot to the recipe's lineage. PonensError if it shrank too much under its parent."""
    rows = sum(facts["rows"].values()) - facts["shuffled"].get("copies", 0)  # as asked
    lost = Counter(facts["rejections"]) + Counter(facts["dropped"])
    with lineage.following(home, recipe, facts["snapshot"], rows, lost) as parent:
        if parent and not spec.allow_shrink and rows < spec.min_share_of_parent * parent.rows:
            grown = (lost - Counter(parent.lost)).most_common(_TOLD)
            reasons = ", ".join(
                f"{reason}: {lost[reason]:,} (was {parent.lost.get(reason, 0):,})" for reason, _ in grown
            )
            raise PonensError(
                f"the snapshot of {recipe!r} shrank and is not published",
                seen=f"{rows:,} rows; its parent {parent.snapshot} of {parent.at} has {parent.rows:,}; "
                + (reasons or "nothing fell out that did not before: there are fewer questions or rationales"),
                expected=f"at least {spec.min_share_of_parent:.0%} of its parent ([assemble] min_share_of_parent)",
                hint="mend what fell out, or accept it once with `--set assemble.allow_shrink=true`",
            )
        yield


def render(question: Question, words: Choice = HOUSE) -> dict[str, Any]:
    """The messages that ask a question, and the line that answers it. ValueError without a key."""
    return {
        "question": question.id,
        "prompt": [message.dict() for message in words.solve(question)],
        "answer": words.answer_line(question),
    }


def _rendered(shop: Workshop, build: snapshots.Build, words: Choice) -> Iterator[list[dict[str, Any]]]:
    done = 0
    for batch in build.wanted():
        done += len(batch)
        yield [render(question, words) for question in batch]
        shop.progress(Tick(done, None, "questions"))


class Shuffler:
    """Makes copies of examples with their options in another order.

    `kept` counts the examples that stay as asked by reason, `keys` the letters of the copies.
    """

    def __init__(self, count: int, *, bare: bool, words: Choice = HOUSE) -> None:
        self._count, self._bare, self._words = count, bare, words
        self.kept: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()

    def copies(self, question: Question, completion: str) -> Iterator[dict[str, Any]]:
        """Up to so many further prompts with completions; none where a letter in either is not clear."""
        if reason := shuffle.anchored(question):
            self.kept[reason] += 1
            return
        for number, order in enumerate(shuffle.orders(question, self._count), start=1):
            after = shuffle.rearranged(question, order)
            text = self._words.answer_line(after) if self._bare else shuffle.reletter(completion, question, order)
            if text is None:
                self.kept[shuffle.UNCLEAR] += 1
                return
            self.keys[str(after.answer)] += 1
            yield {
                "prompt": [message.dict() for message in self._words.solve(after)],
                "completion": [{"role": "assistant", "content": text}],
                "shuffle": number,
            }


def taught(dialogue: Dialogue, prompt: Prompt) -> dict[str, Any] | None:
    """The messages that ask for the dialogue's last answer that is to be learnt, and that answer; None without one.

    `train` is false where earlier words of an assistant are not to be learnt.
    """
    learnt = [place for place, m in enumerate(dialogue.messages) if m.role == "assistant" and m.train]
    if not learnt:
        return None
    # what stands before the first user's turn is never an answer, so the rest is a dialogue
    until = replace(dialogue, messages=dialogue.messages[: learnt[-1] + 1])
    asked = [{**m.dict(), "train": None if m.train else False} for m in prompt.ask(until)]
    return {"question": dialogue.id, "prompt": asked, "answer": until.messages[-1].content}


def _taught(shop: Workshop, dialogues: Dialogues, prompt: Prompt) -> Iterator[list[dict[str, Any]]]:
    found, done = (dialogue for dialogue in dialogues if dialogue.split != "test"), 0
    while batch := list(islice(found, _BATCH)):
        done += len(batch)
        yield [example for dialogue in batch if (example := taught(dialogue, prompt))]
        shop.progress(Tick(done, None, "dialogues"))


def _questions(
    shop: Workshop,
    spec: AssembleSpec,
    recipe: str,
    base_model: str,
    parsed: Receipt,
    rationales: Receipt,
    words: Choice,
) -> Result:
    questions = shop.home.root / parsed.artifact / QUESTIONS
    with snapshots.build(questions, shop.home.root / rationales.artifact / RATIONALES) as build:
        shuffler = Shuffler(spec.shuffle, bare=spec.bare, words=words)
        copies = shuffler.copies if spec.shuffle else None
        counts = build.write(shop.folder, _rendered(shop, build, words), bare=spec.bare, copies=copies)
        shuffled = {"copies": counts.copies, **shuffler.kept} if spec.shuffle else {}
        if counts.rows["train"]:
            card.write(
                shop.folder,
                build,
                counts,
                name=recipe or "snapshot",
                prompt=words.VERSION,
                license=spec.license,
                base_model=base_model,
                questions=questions,
                shuffled=shuffled,
                keys=shuffler.keys,
                corrections=parsed.facts.get("corrections"),
            )
    return _result(
        counts,
        shuffled,
        words,
        "no question has a key",
        expected="at least one kept rationale of a training question",
        hint='look at `ponens sql "select reason, text from rationales where not kept limit 3"`, '
        "or ask a better teacher",
    )


def _dialogues(
    shop: Workshop, spec: AssembleSpec, recipe: str, base_model: str, parsed: Receipt, kind: Kind, prompt: Prompt
) -> Result:
    dialogues = shop.home.root / parsed.artifact / DIALOGUES
    with snapshots.of_dialogues(dialogues) as build:
        counts = build.write(shop.folder, _taught(shop, Dialogues(shop.home, parsed), prompt))
        if counts.rows["train"]:
            card.write(
                shop.folder,
                build,
                counts,
                name=recipe or "snapshot",
                prompt=prompt.VERSION,
                license=spec.license,
                base_model=base_model,
                questions=dialogues,
                shuffled={},
                keys={},
                kind=kind,
            )
    return _result(
        counts,
        {},
        prompt,
        "no row is on the side of training",
        expected="at least one row to train on",
        hint="smaller shares of [parse] valid and test, or another [parse] salt, give training more groups",
    )


def _result(
    counts: snapshots.Counts, shuffled: dict[str, int], prompt: Wording, nothing: str, *, expected: str, hint: str
) -> Result:
    """What came of it. PonensError if there is nothing to train on."""
    if not counts.rows["train"]:
        lost = {**counts.rejections, **counts.dropped}
        seen = ", ".join(f"{reason}: {count}" for reason, count in lost.items()) or nothing
        raise PonensError("no example is left to train on", seen=seen, expected=expected, hint=hint)
    facts = {
        "snapshot": counts.identity[:16],
        "rows": counts.rows,
        "rejected": sum(counts.rejections.values()),
        "rejections": counts.rejections,
        "dropped": counts.dropped,
        "shuffled": shuffled,
        "prompt": prompt.VERSION,
        "question_template": prompt.TEMPLATE,
    }
    return Result(facts, counts.identity)
