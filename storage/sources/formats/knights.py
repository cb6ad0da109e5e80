r"""Knights and knaves with worked steps: the answer is an assignment, not a letter.

    {"quiz": "…", "names": ["…", …], "solution": [true, …], "solution_text_format": "(1) … is a knight\n…",
     "cot_head": "…", "cot_repeat_steps": ["…", …], "cot_foot": "…"}

The assistant works through the steps and then says the solution.
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.dialogues import Dialogue
from storage.records import Message
from storage.sources.formats.base import At, Cells, Fault, Format, is_sound, listed, text, texts


def sniff(row: Cells) -> bool:
    """A quiz with names and a solution."""
    return {"quiz", "names", "solution"} <= set(row)


def records(row: Cells, at: At) -> Iterator[Dialogue]:
    """The puzzle of a row."""
    names, solution = texts(row, "names"), listed(row, "solution")
    if len(names) != len(solution) or not {*map(type, solution)} <= {bool}:
        raise Fault("solution", f"expected true or false for each of {len(names)} names")
    *steps, formatted, quiz = _worked(row)
    answer = "\n".join(steps) + f"\n\n{formatted}"
    yield Dialogue(
        (Message("user", quiz), Message("assistant", answer)),
        "assignment",
        {"names": names, "solution": solution},
        file=at.file,
        line=at.line,
    )


def _worked(row: Cells) -> list[str]:
    """The head, the steps and the foot of the work, the formatted solution and the quiz, each checked."""
    steps = row.get("cot_repeat_steps")
    if type(steps) is list:
        try:
            found = [row["cot_head"], *steps, row["cot_foot"], row["solution_text_format"], row["quiz"]]
            if is_sound("\n".join(found)) and all(map(str.strip, found)):
                return found  # as most are
        except (KeyError, TypeError):  # one is missing, or no text
            pass
    head, steps = text(row, "cot_head"), texts(row, "cot_repeat_steps")
    return [head, *steps, *(text(row, name) for name in ("cot_foot", "solution_text_format", "quiz"))]


_READ = frozenset(("quiz", "names", "solution", "solution_text_format", "cot_head", "cot_repeat_steps", "cot_foot"))
FORMAT = Format("knights", sniff, records, reads=lambda columns: _READ)
