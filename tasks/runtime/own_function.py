"""A function of a user's own file, as a recipe names it: "my_scorers.py:equal_units". Nothing of it is loaded here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from storage.records import UsageError

_NAMED = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a file; `seconds` of processor time and bytes of `memory` are what one call may take."""

    file: Path
    name: str
    seconds: int = 5
    memory: int = 1 << 30

    @classmethod
    def of(cls, spelled: str) -> Function:
        """The function that "FILE.py:NAME" names. UsageError for another spelling, or a file that is not there."""
        named = _NAMED.fullmatch(spelled)
        if named is None:
            raise UsageError(
                "[evaluate] scorer", seen=repr(spelled), expected='a file and a function of it, "my_scorers.py:equal"'
            )
        found = cls(Path(named["file"]), named["function"])
        if not found.file.is_file():
            raise UsageError(f"[evaluate] scorer: there is no file {found.file}", expected="a file beside the recipe")
        return found

    @property
    def fingerprint(self) -> dict[str, str]:
        """What of it is in a key: its name and its file's content."""
        return {"function": self.name, "sha256": hashlib.sha256(self.file.read_bytes()).hexdigest()}

    @property
    def patience(self) -> float:
        """Seconds on the wall: a busy machine gives a process a share of a processor."""
        return 10.0 + 2 * self.seconds
