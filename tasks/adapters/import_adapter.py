"""import: a PEFT folder from elsewhere -> the next version of an adapter, after all of it was looked at.

    import_adapter("hf://me/logic-lora", "logic", home, base_model="Qwen/Qwen2.5-7B-Instruct")

Only files that belong to an adapter are copied. Where the base model lies on this machine, each tensor is held
against it, and the modules against those that the configuration names; where the folder says which base it was
trained on, that must be this one.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage import remote
from storage.adapters.folder import ABOUT, AdapterFolder
from storage.adapters.peft_fit import misfit
from storage.adapters.peft_folder import KEPT, Peft, look
from storage.adapters.versions import Adapter, check_name
from storage.artifacts import MANIFEST, publish, sha256, whole, write_json
from storage.home import Home
from storage.records import PonensError, UsageError, digest
from tasks.models import base_models

_TAKEN = ("revision", "base_identity", "snapshot", "prompt", "inference", "settings", "facts", "libraries", "history")


def import_adapter(
    place: str, name: str, home: Home, *, base_model: str | None = None, revision: str | None = None
) -> Adapter:
    """The new version. UsageError, and nothing kept, for whatever is wrong with the folder (see `peft_folder`).

    `base_model` is by default what the adapter's configuration names.
    """
    check_name(name)
    folder = remote.here(place, home.root / "fetched") if remote.is_url(place) else Path(place)
    peft = look(folder)
    if (folder / MANIFEST).exists() and not whole(folder):
        raise PonensError(
            f"{remote.public(place)} is not as it was pushed", expected="the files of its manifest, byte for byte"
        )
    base = base_models.spelling(base_model or _named(peft))
    about = _about(folder, peft, base, revision)
    _fits(peft, base_models.folder(base), base)
    home.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.root, prefix=".import-") as aside:
        copy = Path(aside) / "adapter"
        copy.mkdir()
        for file in KEPT:
            if (folder / file).is_file():
                shutil.copyfile(folder / file, copy / file)
        config = dict(peft.config) | {"base_model_name_or_path": base, "revision": about["revision"]}
        AdapterFolder(copy).configure(config)
        identity = digest({p.name: sha256(p) for p in sorted(copy.iterdir())})
        write_json(copy / ABOUT, about | {"origin": {"imported_from": remote.public(place), "at": about["at"]}})
        manifest = {"facts": about["facts"], "made_at": about["at"], "imported": True}
        made = publish(copy, f"adapters/{name}", home, identity=identity, numbered=True, about=manifest)
    return Adapter(name, int(Path(made.artifact).name), home.root / made.artifact)


def _named(peft: Peft) -> str:
    if not (named := peft.config.get("base_model_name_or_path")):
        raise UsageError("the adapter names no base model", hint="name the one it was trained on with --base")
    return str(named)


def _about(folder: Path, peft: Peft, base: str, revision: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if (folder / ABOUT).is_file():
        told = AdapterFolder(folder).about
    revision = revision or told.get("revision") or peft.config.get("revision")
    identity = base_models.identity(base, revision)
    if told.get("base_identity", identity) != identity:
        raise UsageError(
            "the adapter was trained on another base model",
            seen=f"{base}, identity {identity[:16]}",
            expected=f"{told.get('base_model')}, identity {told['base_identity'][:16]}",
            hint="name the right one with --base and --revision",
        )
    template = folder / "chat_template.jinja"
    settings = {"method": "lora", "rank": peft.config["r"], "alpha": peft.config.get("lora_alpha")}
    facts: dict[str, Any] = {"trainable": sum(a[0] * a[1] + b[0] * b[1] for a, b in peft.matrices.values())}
    if template.is_file():
        facts["template"] = hashlib.sha256(template.read_bytes()).hexdigest()
    fresh = {"settings": settings, "facts": facts, "snapshot": None, "prompt": None}
    kept = {key: told[key] for key in _TAKEN if key in told}
    return {
        **fresh, **kept, "base_model": base, "revision": revision, "base_identity": identity,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def _fits(peft: Peft, base: Path | None, name: str) -> None:
    """UsageError if the adapter does not fit the base model, where that lies here (`storage.adapters.peft_fit`)."""
    if base is not None and (found := misfit(peft, base)):
        raise UsageError(
            f"the adapter does not fit base model {name!r}: {found.what}",
            seen=found.seen,
            expected=found.expected,
            hint="name the model it was trained on with --base",
        )
