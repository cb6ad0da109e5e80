"""grpo: training questions + an adapter -> the next version NAME/N, by rewards of replies that it draws itself.

    step(GrpoSpec(), train_spec, "logic", parsed, adapter)

The work runs in a child process, as training does (`tasks.train.run`). Its replies and their rewards lie beside
the adapter, in replies.parquet.
"""

from __future__ import annotations

from storage.adapters.folder import AdapterFolder
from storage.records import Receipt
from storage.tables.questions import QUESTIONS
from tasks.models import base_models
from tasks.runtime.step import Step, Workshop, of
from tasks.train import run
from tasks.train.spec import TrainSpec
from tasks.tune.grpo_order import GrpoOrder
from tasks.tune.grpo_spec import GrpoSpec
from tasks.tune.step import OF_TRAIN, check, check_start


def step(spec: GrpoSpec, train: TrainSpec, name: str, parsed: Receipt, adapter: Receipt, recipe: str = "") -> Step:
    """The step that makes the next version of adapter `name`; `recipe`, resolved, is what trackers are told of it.

    UsageError for a training that leaves no adapter to go on from, or that needs several processes.
    """
    check(train, "grpo")
    base = base_models.identity(train.base_model, train.revision)
    settings = spec.model_dump(exclude={"save_steps"}) | {
        "name": name,
        "base_model": base_models.spelling(train.base_model),
        "train": train.model_dump(include=OF_TRAIN),
    }
    return Step(
        name="grpo",
        code=(__name__, "tasks.tune.reinforcer"),
        settings=settings,
        inputs={"questions": of(parsed), "adapter": of(adapter), "base_model": base},
        work=lambda shop: run.work(_order(spec, train, base, parsed, adapter, shop), parsed, recipe, shop),
        shelf=f"adapters/{name}",
        numbered=True,
    )


def _order(spec: GrpoSpec, train: TrainSpec, base: str, parsed: Receipt, adapter: Receipt, shop: Workshop) -> GrpoOrder:
    parent, questions = shop.home.root / adapter.artifact, shop.home.root / parsed.artifact / QUESTIONS
    about = AdapterFolder(parent).about
    check_start(adapter, AdapterFolder(parent).config)
    return GrpoOrder(
        spec=spec.training(train).model_copy(update={"base_model": base_models.spelling(train.base_model)}),
        grpo=spec,
        base_folder=str(base_models.folder(train.base_model) or ""),
        train=questions,
        valid=questions,
        folder=shop.folder,
        adapter=parent,
        about={
            "base_model": base_models.spelling(train.base_model),
            "revision": train.revision,
            "base_identity": base,
            "snapshot": about.get("snapshot"),
            "questions": parsed.digest,
            "parent": {"adapter": adapter.artifact.removeprefix("adapters/"), "digest": adapter.digest},
            "prompt": about.get("prompt"),
            "settings": {**about["settings"], "grpo": spec.model_dump()},
            "inference": about.get("inference"),
        },
    )
