"""Loading a model in the user's own process without the libraries' bars and advice; what is wrong is still raised."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("bitsandbytes", "peft", "transformers")


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bar of transformers, and no warning of a library that loads models; afterwards all is as before."""
    from transformers.utils import logging as words

    bars = words.is_progress_bar_enabled()
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    words.disable_progress_bar()
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if bars:
            words.enable_progress_bar()
