"""A store that several homes share, at PONENS_STORE: what one machine has made, another takes from there.

    store = shared.chosen()
    store.fetch("train", key, folder)    the artifact's files into `folder`; its receipt, or None if it is not there
    store.offer(home, receipt)           artifact and receipt to the store, the receipt last

receipts/STEP/KEY.json, artifacts/SHELF/DIGEST/ and adapters/NAME/DIGEST/, on anything that fsspec knows. All of it is
named by content and never changes, so nobody has to wait for anybody: two machines that do the same work at once both
do it, and one of them finds it there already.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import orjson

from storage import remote
from storage.artifacts import MANIFEST, whole
from storage.home import Home
from storage.records import PonensError, Receipt

log = logging.getLogger("ponens")


@dataclass(frozen=True, slots=True)
class Store:
    """A place such as s3://bucket/ponens. PonensError, UsageError as `storage.remote` raises them."""

    url: str

    def find(self, step: str, key: str) -> Receipt | None:
        """The receipt of this work, if some machine has done it; its `artifact` is that machine's."""
        files, root = remote.opened(self.url)
        place = f"{root.rstrip('/')}/{_receipt(step, key)}"
        try:
            return Receipt(**orjson.loads(files.cat_file(place))) if files.exists(place) else None
        except (OSError, orjson.JSONDecodeError, TypeError) as error:
            raise remote.unreachable(self.url, error) from None

    def fetch(self, step: str, key: str, folder: Path) -> Receipt | None:
        """Put the work's files into `folder`, in place of what is there; None, with `folder` as it was, without them.

        Files that are not those of their manifest, byte for byte, are as good as none.
        """
        if (receipt := self.find(step, key)) is None:
            return None
        files, root = remote.opened(self.url)
        source, aside = f"{root.rstrip('/')}/{_artifact(receipt)}", folder.with_name(f"{folder.name}.fetched")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            files.get_file(f"{source}/{MANIFEST}", str(aside / MANIFEST))
            for name in orjson.loads((aside / MANIFEST).read_bytes())["files"]:
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                files.get_file(f"{source}/{name}", str(aside / name))
        except FileNotFoundError:
            pass  # it is not whole, then
        except (OSError, orjson.JSONDecodeError, KeyError) as error:
            raise remote.unreachable(self.url, error) from None
        if not whole(aside):
            shutil.rmtree(aside)
            log.warning("%s: what %s has of it is damaged; it is made anew", step, remote.public(self.url))
            return None
        shutil.rmtree(folder, ignore_errors=True)
        aside.replace(folder)
        return receipt

    def offer(self, home: Home, receipt: Receipt) -> None:
        """Copy an artifact and its receipt to the store, unless they are there.

        A store that does not take them is a warning: the work is done, and the next run offers it again.
        """
        try:
            files, root = remote.opened(self.url)
            place = f"{root.rstrip('/')}/{_receipt(receipt.step, receipt.key)}"
            if files.exists(place):
                return
            remote.push(home.root / receipt.artifact, f"{self.url.rstrip('/')}/{_artifact(receipt)}")
            files.makedirs(place.rpartition("/")[0], exist_ok=True)
            files.pipe_file(place, orjson.dumps(receipt.dict()))
        except (PonensError, OSError) as error:
            log.warning("%s: not shared: %s", receipt.step, str(error).splitlines()[0])


def chosen() -> Store | None:
    """The store at PONENS_STORE; None if there is none."""
    url = os.environ.get("PONENS_STORE")
    return Store(url) if url else None


def _receipt(step: str, key: str) -> str:
    return f"receipts/{step}/{key}.json"


def _artifact(receipt: Receipt) -> str:
    shelf, _, name = receipt.artifact.rpartition("/")
    return f"{shelf}/{receipt.digest[:16]}" if name.isdigit() and shelf.startswith("adapters/") else receipt.artifact
