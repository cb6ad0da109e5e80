"""prefer: rationales, drawn replies or a source's own pairs -> preferences, each of a training question.

    preferences.parquet, train.parquet, valid.parquet, drops.parquet    `storage.tables.preferences`
    card.json                                                           what they are made of; card.md and card.html

Right is what came to the key, wrong what came to another answer; what could not be read is neither, and is counted.
No test question enters: the split is asked for each row, and SQL over what was written says so again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from prompts import choice
from storage.dialogues import Dialogue, Kind
from storage.home import Home
from storage.records import Message, PonensError, Question, Receipt
from storage.tables import lineage, preferences
from storage.tables.dialogue_files import DIALOGUES, Dialogues
from storage.tables.preferences import Preference
from storage.tables.questions import QUESTIONS, Stored
from storage.tables.samples import SAMPLES
from tasks.kinds.registry import KINDS
from tasks.prefer import card
from tasks.prefer.pairs import Replies, near, pair, right, unpaired
from tasks.prefer.spec import PreferSpec
from tasks.runtime.step import Facts, Result, Step, Tick, Workshop, of

RATIONALES = "rationales.parquet"
_AGREE = (None, "near-copy", "surplus")  # why a rationale that came to the key was not kept, None if it was
_PAIRING = {"ledger", "most", "length_ratio"}
_EVERY = 1_000  # questions between two words of progress


def step(
    spec: PreferSpec,
    parsed: Receipt,
    rationales: Receipt | None,
    sampled: Receipt | None,
    kind: Kind,
    *,
    recipe: str,
    paired: bool = True,
) -> Step:
    """The step that publishes preferences; those that are not `paired` say of one reply whether it is chosen.

    `recipe` is the name whose lineage they join, as NAME@preferences.
    """
    inputs = {"questions": of(parsed)}
    if rationales and spec.ledger:
        inputs["rationales"] = of(rationales)
    if sampled:
        inputs["samples"] = of(sampled)

    def work(shop: Workshop) -> Result:
        build = Build(spec, paired)
        if KINDS[kind].letters:
            table = rationales if rationales and spec.ledger else None
            found, records = build.of_questions(shop, parsed, table, sampled), QUESTIONS
        else:
            found, records = build.of_dialogues(shop, parsed, kind), DIALOGUES
        identity = preferences.write(shop.folder, found, build.drops)
        leaked = preferences.check(shop.folder, shop.home.root / parsed.artifact / records)
        facts = build.facts(shop.folder, identity, kind)
        card.write(shop.folder, recipe, facts, leaked)
        return Result(facts, identity)

    return Step(
        name="prefer",
        code=(__name__,),
        settings=spec.model_dump(include=_PAIRING) | {"kind": kind, "paired": paired},
        inputs=inputs,
        work=work,
        shelf="preferences",
        tables={"preferences": preferences.PREFERENCES, "drops": preferences.DROPS},
        pages=card.PAGES,
        admit=lambda home, facts: _succession(home, recipe, facts),
    )


@contextmanager
def _succession(home: Home, recipe: str, facts: Any) -> Iterator[None]:
    rows = sum(facts["rows"].values())
    with lineage.following(home, f"{recipe}@preferences", facts["preferences"], rows, facts["dropped"]):
        yield


class Build:
    """Preferences under way: what is dropped on the way and what is counted."""

    def __init__(self, spec: PreferSpec, paired: bool) -> None:
        self._spec, self._paired = spec, paired
        self.drops: list[tuple[str, str]] = []
        self.unreadable = 0

    def of_questions(
        self, shop: Workshop, parsed: Receipt, rationales: Receipt | None, sampled: Receipt | None
    ) -> Iterator[Preference]:
        """Those of questions with a key that are no test questions, in their order."""
        root, done = shop.home.root, 0
        taught = _by_question(root / rationales.artifact / RATIONALES) if rationales else iter(())
        drawn = _drawn(root / sampled.artifact / SAMPLES) if sampled else {}
        waiting = next(taught, None)
        for question in Stored(shop.home, parsed):
            replies = Replies()
            if waiting and waiting[0] == question.id:
                for row in waiting[1]:
                    replies.add(row["text"] or "", "ledger", _agrees(row))
                waiting = next(taught, None)
            if question.split == "test" or question.answer is None:
                continue
            for row in drawn.get(question.id, ()):
                replies.add(row["text"], "votes", right(question, row["answer"], row["finish"]))
            yield from self._of(question, replies)
            if (done := done + 1) % _EVERY == 0:
                shop.progress(Tick(done, None, "questions"))

    def of_dialogues(self, shop: Workshop, parsed: Receipt, kind: Kind) -> Iterator[Preference]:
        """Those that a source brings along: a chosen and a rejected answer."""
        for dialogue in Dialogues(shop.home, parsed):
            if dialogue.split == "test":
                continue
            rejected = dialogue.about.get("rejected") if dialogue.task == "preference" else None
            if not rejected:
                self.drops.append((dialogue.id, "no rejected answer"))
                continue
            yield from self._of_source(dialogue, str(rejected), kind)

    def facts(self, folder: Path, identity: str, kind: Kind) -> Facts:
        """What came of it. PonensError if there is nothing to train on."""
        rows = pl.read_parquet(folder / preferences.PREFERENCES, glob=False)
        splits = Counter(rows["split"].to_list())
        dropped = dict(sorted(Counter(reason for _, reason in self.drops).items()))
        if not splits["train"]:
            raise PonensError(
                "no preference is left to train on",
                seen=", ".join(f"{reason}: {count}" for reason, count in dropped.items()) or "no training question",
                expected="a right and a wrong reply to one training question",
                hint="raise [prefer] samples or temperature, or [prefer] length_ratio; an adapter that is always "
                "right, or always wrong, leaves nothing to compare",
            )
        lengths = _lengths(rows)
        return {
            "preferences": identity[:16],
            "rows": {"train": splits["train"], "valid": splits["valid"]},
            "paired": self._paired,
            "questions": rows["question"].n_unique(),
            "sources": dict(sorted(Counter(rows["source"].to_list()).items())),
            "unreadable": self.unreadable,
            "dropped": dropped,
            "lengths": lengths,
            "prompt": KINDS[kind].wording.VERSION,
        }

    def _of(self, question: Question, replies: Replies) -> Iterator[Preference]:
        self.unreadable += replies.unreadable
        prompt = tuple(choice.solve(question))
        if not self._paired:
            sides = [unpaired(side, self._spec.most) for side in (replies.right, replies.wrong)]
            if not any(sides):
                self.drops.append((question.id, "no readable reply"))
            for reply in sides[0]:
                yield _row(question, reply.source, prompt, reply.text, None)
            for reply in sides[1]:
                yield _row(question, reply.source, prompt, None, reply.text)
            return
        found = pair(replies.right, replies.wrong, self._spec.most, self._spec.length_ratio)
        if not found:
            self.drops.append((question.id, _why(replies)))
        for one in found:
            yield _row(question, one.source, prompt, one.chosen.text, one.rejected.text)

    def _of_source(self, dialogue: Dialogue, rejected: str, kind: Kind) -> Iterator[Preference]:
        chosen = dialogue.messages[-1].content
        prompt = tuple(KINDS[kind].asking.ask(dialogue))
        if not self._paired:
            yield _row(dialogue, "source", prompt, chosen, None)
            yield _row(dialogue, "source", prompt, None, rejected)
        elif not near(chosen, rejected, self._spec.length_ratio):
            self.drops.append((dialogue.id, "lengths too far apart"))
        else:
            yield _row(dialogue, "source", prompt, chosen, rejected)


def _row(
    of: Question | Dialogue, source: str, prompt: tuple[Message, ...], chosen: str | None, rejected: str | None
) -> Preference:
    return Preference(of.id, of.group, of.split, source, prompt, chosen, rejected)


def _why(replies: Replies) -> str:
    if replies.right and replies.wrong:
        return "lengths too far apart"
    if replies.right:
        return "no wrong reply"
    return "no right reply" if replies.wrong else "no readable reply"


def _agrees(row: dict[str, Any]) -> bool | None:
    """Whether a rationale came to the key; None of those that say neither, or came to it by being told."""
    if row["reason"] in _AGREE:
        return True
    return False if row["reason"] == "disagrees" else None


def _by_question(file: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows of each question, in the order of the file, which is that of the questions."""
    with pq.ParquetFile(file) as table:
        rows = (
            row
            for batch in table.iter_batches(2_000, columns=["question", "text", "reason"])
            for row in batch.to_pylist()
        )
        for id, group in groupby(rows, key=lambda row: row["question"]):
            yield id, list(group)


def _drawn(file: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    columns = ["question", "index", "text", "finish", "answer"]
    for row in pl.read_parquet(file, columns=columns, glob=False).sort("question", "index").iter_rows(named=True):
        found[row["question"]].append(row)
    return found


def _lengths(rows: pl.DataFrame) -> dict[str, Any]:
    """Characters of either side, and which of a pair is longer how often: a length that tells them apart is learnt."""
    sides = {side: rows[side].list.first().struct.field("content").str.len_chars() for side in ("chosen", "rejected")}
    both = (sides["chosen"].cast(pl.Int64) - sides["rejected"].cast(pl.Int64)).drop_nulls()
    return {
        **{f"{side}_mean": _mean(lengths) for side, lengths in sides.items()},
        "chosen_longer": int((both > 0).sum()),
        "rejected_longer": int((both < 0).sum()),
    }


def _mean(lengths: pl.Series) -> float | None:
    mean = lengths.cast(pl.Float64).mean()
    return round(mean, 1) if isinstance(mean, float) else None
