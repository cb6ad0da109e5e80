"""Pages for people beside an artifact: made from what it holds, and made anew when their words or looks change.

No manifest names them, so they are no part of the artifact and of no step's key. A digest of the code, templates and
style sheets that made them lies beside them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.records import Receipt, digest
from tasks.runtime.code_key import code_version

log = logging.getLogger("ponens")
_STAMP = ".pages"


@dataclass(frozen=True, slots=True)
class Pages:
    """How the pages of an artifact are made: `make` maps its folder and facts to texts by file name.

    `code` is the module that words them.
    """

    code: str
    make: Callable[[Path, Mapping[str, Any]], Mapping[str, str]]

    def bring_up_to_date(self, folder: Path, receipt: Receipt) -> None:
        """Write them unless they stand there as this code would write them. A full disk costs the pages alone."""
        now = digest([code_version(self.code), receipt.key, receipt.made_at])
        stamp = folder / _STAMP
        try:
            if stamp.exists() and stamp.read_text() == now:
                return
            for name, text in self.make(folder, receipt.facts).items():
                aside = folder / f".{name}"
                aside.write_text(text, "utf-8")
                aside.replace(folder / name)
            stamp.write_text(now)
        except OSError as error:
            log.warning("the pages of %s are not up to date: %s", folder, error)
