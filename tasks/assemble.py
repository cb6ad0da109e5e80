"""Questions and rationales -> a snapshot: one example for each kept rationale, as chat messages.

    train.parquet, valid.parquet   prompt: [user], completion: [assistant]; the prompt is the one that evaluation asks
    examples.parquet, drops.parquet
    card.md, card.html             what it is made of, for people

Test questions stay out, copies are dropped, and no problem stands on two sides. With `shuffle`, training
examples come again with their options in another order, which balances the letters of the keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from prompts import choice, shuffle
from storage import lineage, snapshots
from storage.home import Home
from storage.questions import QUESTIONS
from storage.records import PonensError, Question, Receipt
from tasks import card
from tasks.step import Result, Step, Tick, Workshop, of

RATIONALES = "rationales.parquet"
_GUARDS = {"min_share_of_parent", "allow_shrink"}  # of the spec, what leaves the snapshot as it is
_TOLD = 4  # reasons that a refusal names


class AssembleSpec(BaseModel):
    """Which rationales become examples."""

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
    spec: AssembleSpec, questions: Receipt, rationales: Receipt, *, recipe: str | None = None, base_model: str = ""
) -> Step:
    """The step that publishes a snapshot of examples from the artifacts of parse and reason.

    `recipe` is the name whose lineage the snapshot joins; without one it has no parent. A parent is no
    part of the key: the same examples are the same snapshot, whatever came before them. Nor is
    `base_model`, by whose tokenizer the data card counts.
    """
    return Step(
        name="assemble",
        module=__name__,
        settings=spec.model_dump(exclude=_GUARDS),
        inputs={"questions": of(questions), "rationales": of(rationales)},
        work=lambda shop: _work(
            shop,
            spec,
            recipe or "",
            base_model,
            shop.home.root / questions.artifact / QUESTIONS,
            shop.home.root / rationales.artifact / RATIONALES,
        ),
        shelf="snapshots",
        tables={"examples": snapshots.EXAMPLES, "drops": snapshots.DROPS},
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


def render(question: Question) -> dict[str, Any]:
    """The messages that ask a question, and the line that answers it. ValueError without a key."""
    return {
        "question": question.id,
        "prompt": [message.dict() for message in choice.solve(question)],
        "answer_line": choice.answer_line(question),
    }


def _rendered(shop: Workshop, build: snapshots.Build) -> Iterator[list[dict[str, Any]]]:
    done = 0
    for batch in build.wanted():
        done += len(batch)
        yield list(map(render, batch))
        shop.progress(Tick(done, None, "questions"))


class Shuffler:
    """Makes copies of examples with their options in another order.

    `kept` counts the examples that stay as asked by reason, `keys` the letters of the copies.
    """

    def __init__(self, count: int, *, bare: bool) -> None:
        self._count, self._bare = count, bare
        self.kept: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()

    def copies(self, question: Question, completion: str) -> Iterator[dict[str, Any]]:
        """Up to so many further prompts with completions; none where a letter in either is not clear."""
        if reason := shuffle.anchored(question):
            self.kept[reason] += 1
            return
        for number, order in enumerate(shuffle.orders(question, self._count), start=1):
            after = shuffle.rearranged(question, order)
            text = choice.answer_line(after) if self._bare else shuffle.reletter(completion, question, order)
            if text is None:
                self.kept[shuffle.UNCLEAR] += 1
                return
            self.keys[str(after.answer)] += 1
            yield {
                "prompt": [message.dict() for message in choice.solve(after)],
                "completion": [{"role": "assistant", "content": text}],
                "shuffle": number,
            }


def _work(
    shop: Workshop, spec: AssembleSpec, recipe: str, base_model: str, questions: Path, rationales: Path
) -> Result:
    with snapshots.build(questions, rationales) as build:
        shuffler = Shuffler(spec.shuffle, bare=spec.bare)
        counts = build.write(
            shop.folder,
            _rendered(shop, build),
            bare=spec.bare,
            copies=shuffler.copies if spec.shuffle else None,
        )
        shuffled = {"copies": counts.copies, **shuffler.kept} if spec.shuffle else {}
        if counts.rows["train"]:
            card.write(
                shop.folder,
                build,
                counts,
                name=recipe or "snapshot",
                prompt=choice.VERSION,
                license=spec.license,
                base_model=base_model,
                questions=questions,
                shuffled=shuffled,
                keys=shuffler.keys,
            )
    if not counts.rows["train"]:
        lost = {**counts.rejections, **counts.dropped}
        raise PonensError(
            "no example is left to train on",
            seen=", ".join(f"{reason}: {count}" for reason, count in lost.items()) or "no question has a key",
            expected="at least one kept rationale of a training question",
            hint='look at `ponens sql "select reason, text from rationales where not kept limit 3"`, '
            "or ask a better teacher",
        )
    facts = {
        "snapshot": counts.identity[:16],
        "rows": counts.rows,
        "rejected": sum(counts.rejections.values()),
        "rejections": counts.rejections,
        "dropped": counts.dropped,
        "shuffled": shuffled,
        "prompt": choice.VERSION,
        "question_template": choice.TEMPLATE,
    }
    return Result(facts, counts.identity)
