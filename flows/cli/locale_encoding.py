"""The command line in any locale: names and files are UTF-8, and what a terminal cannot show does not stop the work."""

from __future__ import annotations

import locale
import os
import sys

from storage.records import UsageError

_OUT = "PYTHONIOENCODING"


def settle() -> None:
    """Go on in Python's UTF-8 mode where the locale is another, once, with the same command; children inherit it.

    In such a locale files would be read by its rules, and names with other letters would not reach the databases.
    UsageError for a name on the command line that is no UTF-8.
    """
    if not sys.flags.utf8_mode and not _utf8(sys.getfilesystemencoding(), locale.getpreferredencoding(False)):
        own = {"PYTHONUTF8": "1", _OUT: f"{sys.stdout.encoding if sys.stdout else 'ascii'}:replace"}
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **own})
    if os.environ.get(_OUT, "").endswith(":replace"):
        del os.environ[_OUT]  # for this terminal, and for no child's log
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure") and not _utf8(stream.encoding):
            stream.reconfigure(errors="replace")
    for word in sys.argv[1:]:
        if not word.isascii() and any("\ud800" <= letter <= "\udfff" for letter in word):
            raise UsageError(
                "a name on the command line is not UTF-8",
                seen=repr(word),
                expected="files, folders and texts named in UTF-8",
                hint="rename it, or use a terminal in UTF-8",
            )


def _utf8(*encodings: str) -> bool:
    return all(name.lower().replace("-", "") == "utf8" for name in encodings)
