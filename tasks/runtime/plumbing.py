"""Code that shapes no result: how things are stored, started, waited for and told. It is part of no step's key.

What is not listed here counts wherever a step reaches it, so a new module counts by default. A name stands for a
module or for all of a package. List only what could be rewritten with every artifact staying the same.
"""

from __future__ import annotations

from collections.abc import Mapping

PLUMBING: Mapping[str, str] = {
    "storage.adapters.aliases": "where @champion and others point; a step is given the version",
    "storage.artifacts": "how a finished folder is put in its place",
    "storage.devices": "who may use a GPU when",
    "storage.named_locks": "locks that say who holds them",
    "storage.home": "where things lie",
    "storage.index": "where in the ledger a row stands",
    "storage.journal": "how a row gets to disk",
    "storage.tables.lineage": "what followed what; it may refuse a snapshot, not change it",
    "storage.remote": "how a file comes here; its content is an input",
    "storage.shared_store": "a store that homes share",
    "storage.shared_locks": "locks",
    "storage.warehouse": "the tables that are filled from finished artifacts",
    "tasks.runtime.process": "how a process is started and heard",
    "tasks.clients.deadline": "how long a call may take",
    "tasks.clients.rate_limit": "how fast it is asked",
    "tasks.clients.thread_pool": "how many are asked at once",
    "tasks.runtime.cluster": "which machine does a share of the work",
    "tasks.runtime.code_key": "the keys themselves",
    "tasks.runtime.code_digest": "the keys themselves",
    "tasks.runtime.worker": "a child's end of the line to its parent",
    "tasks.runtime.pages": "when pages beside an artifact are written",
    "tasks.runtime.plumbing": "the keys themselves",
    "tasks.clients.proxies": "which way a request goes",
    "tasks.runtime.redaction": "what of the settings may be shown",
    "tasks.runtime.step": "when work is done, not what it does",
    "tasks.teachers.embedded": "its digest is the name of its model, which is a setting",
    "tasks.train.tracking": "who is told of a training",
}
# what one step runs and others only reach, by a file that does more than they need: it counts where it is declared
DECLARED: Mapping[str, str] = {
    "evals.report.card": "the pages of a snapshot, which are no part of it (`tasks.runtime.pages`)",
    "evals.report.preference_card": "the pages of preferences, likewise",
    "evals.report.rationales_page": "the pages of rationales, likewise",
    "storage.cleaning": "parse; later steps read what it wrote",
    "tasks.evaluate.judging": "evaluate over dialogues",
    "tasks.evaluate.paid": "evaluate with models behind an API",
    "tasks.evaluate.rivals": "evaluate with models beside the base",
    "tasks.evaluate.scoring": "evaluate over dialogues",
    "tasks.kinds.text_to_sql": "evaluate over dialogues",
}
# data files whose text reaches a key by the settings: of the shipped templates only the one that is chosen counts
BY_SETTINGS = frozenset({"prompts/templates"})
