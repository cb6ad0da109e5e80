"""Where an adapter came from and what else came of its source, read from what the steps left in the home.

    Provenance(home).adapter(one)          adapter ← training ← snapshot ← rationales ← questions ← source files
    Provenance(home).forward(parsings)     what came of these parsings: snapshots, adapters, evaluations, promotions

Steps are joined by digests: a receipt names what came of its work, and the digests of what went into it. Of several
receipts with one digest, that of the newest work before its taker's is meant. A node is
{"what", "name", …facts, "from": [nodes]}; what is not known of it stands under "missing".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from storage import runs
from storage.adapters import aliases
from storage.adapters import versions as adapters
from storage.adapters.versions import Adapter
from storage.artifacts import read_manifest
from storage.home import Home
from storage.records import PonensError
from storage.sources.source import Hashed, fingerprint
from storage.tables import lineage

Node = dict[str, Any]
Row = Mapping[str, Any]
STEPS = ("puzzles", "parse", "reason", "assemble", "evaluate")


class Provenance:
    """The receipts and adapters of a home, joined by digests; read once."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._receipts = {step: sorted(_read(home, step), key=lambda r: str(r.get("made_at"))) for step in STEPS}
        self._adapters = [
            Adapter(name, number, home.adapters / name / str(number))
            for name in adapters.names(home)
            for number in adapters.versions(home, name)
        ]
        self._about = {str(one): _about(one) for one in self._adapters}

    def adapter(self, one: Adapter) -> Node:
        """An adapter, back to its sources. PonensError if its manifest is gone."""
        manifest, about = read_manifest(one.folder), adapters.about(one)
        node = {
            **_node("adapter", str(one)),
            "digest": manifest["digest"],
            "made_at": manifest.get("made_at"),
            "base_model": about.get("base_model"),
        }
        origin = about.get("origin") or {}
        return {
            **node,
            **({"imported_from": origin["imported_from"]} if "imported_from" in origin else {}),
            "from": [self._training(one, manifest, about)],
        }

    def snapshot(self, digest: str | None, taken_at: str = "~") -> Node:
        """A snapshot, back to its sources; `taken_at` is when whoever took it was done."""
        if not digest:
            return _missing("snapshot", "", "nothing says which snapshot it was trained on")
        found = self._made("assemble", digest, taken_at)
        name = digest[:16]
        parents = [
            {"recipe": e.recipe, "parent": e.parent, "at": e.at}
            for e in lineage.history(self.home)
            if e.snapshot == name
        ]
        if found is None:
            return _missing("snapshot", name, "no receipt of this home made it") | {"parents": parents}
        inputs = found["ingredients"]["inputs"]
        node = _step("snapshot", name, found) | {"rows": found["facts"].get("rows"), "parents": parents}
        if "rationales" in inputs:
            before = self._rationales(inputs["rationales"], found["made_at"])
        else:
            before = _node("rationales", "none: the answers are the source's own")
        return node | {"from": [before, self.questions(inputs["questions"], found["made_at"])]}

    def questions(self, digest: str, taken_at: str) -> Node:
        """What parsing left, back to the source files."""
        found = self._made("parse", digest, taken_at)
        if found is None:
            return _missing("questions", digest[:16], "no receipt of this home made them")
        facts = found["facts"]
        counts = {
            name: facts.get(name) for name in ("format", "questions", "answered", "rejected", "splits", "dropped")
        }
        return _step("questions", digest[:16], found) | counts | {"from": list(self._sources(found))}

    def evaluations(self, names: Collection[str], questions: Collection[str] = ()) -> list[Node]:
        """The evaluations in which one of these adapters stood, or that asked these questions; oldest first."""
        found = []
        for receipt in self._receipts["evaluate"]:
            facts = receipt.get("facts", {})
            sides = {str(facts.get("adapter_name")): facts, **(facts.get("others") or {})}
            asked = receipt["ingredients"].get("inputs", {}).get("questions") in questions
            for name, side in sides.items():
                if name in names or asked:
                    paired = side.get("paired") or {}
                    told = {k: paired.get(k) for k in ("verdict", "difference", "ci95", "mcnemar_p", "reason")}
                    shared = {k: facts.get(k) for k in ("questions", "votes", "engine", "kind")}
                    number = Path(receipt["artifact"]).name
                    found.append(_step("evaluation", number, receipt) | {"of": name} | shared | told)
        return found

    def promotions(self, names: Collection[str]) -> list[Node]:
        """The moves of champions to or from one of these versions, oldest first."""
        moves = [m for name in sorted({one.partition("/")[0] for one in names}) for m in aliases.moves(self.home, name)]
        return [
            asdict(move) | _node("promotion", f"{move.name}@{move.alias}")
            for move in moves
            if move.alias == aliases.CHAMPION and {f"{move.name}/{n}" for n in (move.before, move.after)} & set(names)
        ]

    def parsings(self, files: Sequence[Hashed]) -> list[Row]:
        """The receipts of parsing that read one of these files: by its hash, or as the one source that they are."""
        wanted, whole = {file.sha256 for file in files}, fingerprint(files)
        return [
            receipt
            for receipt in self._receipts["parse"]
            if wanted & {file["sha256"] for file in receipt["facts"].get("sources", [])}
            or receipt["ingredients"]["inputs"].get("source") == whole
        ]

    def parsings_of(self, node: Node) -> list[Row]:
        """The receipts of parsing that read a source on a node's way back."""
        read = {one["fingerprint"] for one in walk(node) if "fingerprint" in one}
        return [r for r in self._receipts["parse"] if r["ingredients"]["inputs"].get("source") in read]

    def forward(self, parsings: Iterable[Row]) -> dict[str, list[Node]]:
        """What came of these parsings, each list oldest first."""
        parsed = {str(receipt.get("digest")) for receipt in parsings}
        built = [r for r in self._receipts["assemble"] if r["ingredients"]["inputs"]["questions"] in parsed]
        digests = {receipt["digest"] for receipt in built}
        trained = [str(one) for one in self._adapters if self._about[str(one)].get("snapshot") in digests]
        return {
            "snapshots": list({r["digest"]: _snapshot(r) for r in built}.values()),
            "adapters": [self._came(name) for name in trained],
            "evaluations": self.evaluations(trained, parsed),
            "promotions": self.promotions(trained),
        }

    def _came(self, name: str) -> Node:
        about = self._about[name]
        told = {k: about.get(k) for k in ("made_at", "base_model")}
        return {**_node("adapter", name), **told, "snapshot": str(about["snapshot"])[:16]}

    def _training(self, one: Adapter, manifest: Row, about: Row) -> Node:
        facts, settings = about.get("facts", {}), about.get("settings", {})
        kept = ("loss_first", "loss_last", "valid_loss", "steps", "seconds", "device")
        node = {
            **_node("training", (manifest.get("key") or "")[:16]),
            "made_at": manifest.get("made_at"),
            "settings": {name: value for name, value in settings.items() if value is not None},
            **{name: facts.get(name) for name in kept},
            "mlflow": about.get("mlflow"),
            "libraries": about.get("libraries"),
            "code": (manifest.get("ingredients") or {}).get("code"),
            "runs": [run.id for run in runs.runs(self.home) if _did(run, manifest.get("key"))],
        }
        if manifest.get("imported"):
            node["missing"] = "it was trained elsewhere: what is said here came along with it"
        elif not manifest.get("key"):
            node["missing"] = "its manifest names no training"
        base = _node("base model", about.get("base_model") or "")
        base |= {"revision": about.get("revision"), "identity": about.get("base_identity")}
        return node | {"from": [base, self.snapshot(about.get("snapshot"), manifest.get("made_at") or "~")]}

    def _rationales(self, digest: str, taken_at: str) -> Node:
        found = self._made("reason", digest, taken_at)
        if found is None:
            return _missing("rationales", digest[:16], "no receipt of this home made them")
        facts = found["facts"]
        total = facts.get("total") or {}
        return _step("rationales", digest[:16], found) | {
            "teacher": facts.get("teacher"),
            "models": (facts.get("rationales") or {}).get("models") or [facts.get("model")],
            **{
                name: facts.get(name)
                for name in ("questions", "requests", "kept", "rejected", "unanswered", "suspects")
            },
            "tokens": total.get("tokens"),
            "cost": total.get("cost"),
        }

    def _sources(self, parsed: Row) -> Iterator[Node]:
        whole = parsed["ingredients"]["inputs"]["source"]
        made = self._made("puzzles", whole, parsed["made_at"])
        files = parsed["facts"].get("sources") or []
        if made:
            settings = made["ingredients"]["settings"]
            yield _step("source", "generated puzzles", made) | {"fingerprint": whole, "settings": settings}
        for file in files:
            yield {**_node("source", file["name"]), **file, "fingerprint": whole}
        if not made and not files:
            yield _missing("source", whole[:16], "its receipt names no files") | {"fingerprint": whole}

    def _made(self, step: str, digest: str, taken_at: str) -> Row | None:
        """The receipt of the work that made this: of several the newest before `taken_at`, else the oldest."""
        made = [receipt for receipt in self._receipts[step] if receipt.get("digest") == digest]
        return next((r for r in reversed(made) if str(r["made_at"]) <= taken_at), made[0] if made else None)


def _node(what: str, name: str) -> Node:
    return {"what": what, "name": name}


def _missing(what: str, name: str, why: str) -> Node:
    return {**_node(what, name), "missing": why, "from": []}


def _step(what: str, name: str, receipt: Row) -> Node:
    told = {"artifact": receipt["artifact"], "made_at": receipt["made_at"], "seconds": receipt.get("seconds")}
    return {**_node(what, name), **told, "code": receipt["ingredients"].get("code")}


def _snapshot(receipt: Row) -> Node:
    return _step("snapshot", receipt["digest"][:16], receipt) | {"rows": receipt["facts"].get("rows")}


def walk(node: Node) -> Iterator[Node]:
    """A node and all on its way back."""
    yield node
    for before in node.get("from", []):
        yield from walk(before)


def _did(run: runs.Run, key: str | None) -> bool:
    return key is not None and any(s["name"] == "train" and s["key"] == key for s in run.outcome.get("steps", []))


def _about(one: Adapter) -> Row:
    try:
        return read_manifest(one.folder) | adapters.about(one)
    except PonensError:
        return {}


def _read(home: Home, step: str) -> Iterator[Row]:
    """The receipts of a step; one that cannot be read is none."""
    folder: Path = home.root / "receipts" / step
    for file in folder.glob("*.json"):
        try:
            found = orjson.loads(file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            continue
        if isinstance(found, dict) and {"artifact", "made_at", "facts"} <= found.keys():
            yield {"ingredients": {}, **found}
