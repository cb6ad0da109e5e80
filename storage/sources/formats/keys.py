"""The key of a multiple choice, in every dress that people give it.

    "B", "b", " (B) ", "Ｂ.", "选项B"      a letter
    "2", "choice_2"                        the option's own label, where its set names it so
    1, 1.0, "1"                            a number: from 0 or from 1 only as the set, the file or the user says
    "iron", "B. iron", true                the option's text
    ["B"]                                  a list of one
    null, "", [], -1                       none: test data

Several letters are another kind of question, and rejected as that. What could mean two options is never
guessed: the file's other keys decide (`Convention`), else it is rejected or asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from storage.records import LETTERS, folded, normal
from storage.sources.formats.base import Convention, Fault, kind, said
from storage.sources.formats.labels import marked
from storage.sources.formats.options import Options, normed

_AROUND = " \t\r\n()[]{}（）【】<>《》\"'`*.．。:：、,，;；)"
_LETTER = re.compile(
    r"(?:(?:the )?(?:correct )?(?:option|choice|answer|ans|opt|选项|答案)(?: is)?[\s_:是为]*)?"
    r"[(\[]?(?P<letter>[A-Za-z])",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?\d{1,3}(?:\.0+)?")
_SEVERAL = re.compile(r"[A-Z]{2,}|[(\[]?[A-Za-z][)\]]?(?:\s*(?:[,、;/|&+和与及\s]|and|or)\s*[(\[]?[A-Za-z][)\]]?)+")
_PLACES = re.compile(r"\d{1,2}(?:\s*[,、;/|&]\s*\d{1,2})+")  # of several right options, in numbers
_MARKS = frozenset(("labels", "scores", "multiplechoicescores", "iscorrect", "correctness"))  # a mark for each option
_TRUTHS = {True: ("true", "yes", "是", "对", "正确"), False: ("false", "no", "否", "错", "错误")}


class Several(Fault):
    """A question with several right answers."""


class Unsure(Fault):
    """A number that could be counted from 0 or from 1, or a key that is one option's letter and another's text."""


class Disagreeing(Fault):
    """Keys in several columns that name different options."""


class Readings(NamedTuple):
    """The option that a key names if it is a label or letter, a text, a number (of which the base is to be known)."""

    letter: int | None = None
    text: int | None = None
    number: int | None = None
    texts: int = 0  # options of that text; `text` is None unless there is one


def blank(value: Any) -> bool:
    """Whether a key is none: absent, null, NaN, blank, an empty list, -1."""
    if isinstance(value, str):
        return value.strip() in ("", "-1")
    return value is None or value == -1 or value == [] or value != value


def resolved(
    value: Any,
    options: Options,
    field: str,
    convention: Callable[[], Convention],
    whole: Callable[[], Convention],
    *,
    letters: bool = False,
) -> int:
    """The place of the option that a key which is not blank names, from 0.

    `convention` is what the first sign of the file's keys says, `whole` what all of them do. `letters` is whether
    a letter can be nothing else, even where another option's text is that letter.
    Several if it names more than one, Unsure if it can be read in two ways, Fault if it names none.
    """
    known = LETTERS[: len(options.texts)]
    short = isinstance(value, str) and len(value) == 1 and value in known and value not in options.texts
    if short and not options.scrambled and (not options.labels or options.labels == tuple(known)):
        return known.index(value)  # as most keys are: nothing else could be meant
    value = _single(value, options, field)
    found = readings(value, options, field)
    if found.letter is not None:
        if letters or found.text in (None, found.letter):
            return found.letter
        return _of_two(found.letter, "letter", found.text, value, field, whole())
    if found.number is not None:
        return _numbered(found, value, options, field, convention, whole)
    if found.text is not None:
        return found.text
    if found.texts:
        raise Fault(field, f"answer {str(value)[:40]!r} is the text of {found.texts} options")
    rest = "" if _is_letter(str(value)) else " and no option's text"
    raise Fault(field, f"answer {str(value)[:40]!r} is none of the letters {known}{rest}")


def readings(value: Any, options: Options, field: str) -> Readings:
    """Every way in which a single key can be read. Fault if its kind is none."""
    if isinstance(value, bool):
        places = [n for n, text in enumerate(options.texts) if normal(text) in _TRUTHS[value]]
        return Readings(text=places[0]) if len(places) == 1 else Readings()
    core = ""
    if isinstance(value, int | float):
        whole = isinstance(value, int) or value.is_integer()
        core = plain = str(int(value)) if whole else str(value)
        number = int(value) if whole else None
    else:
        plain = said(value, field).strip()
        core = folded(plain).strip(_AROUND)
        number = int(float(core)) if _NUMBER.fullmatch(core) else None
    letter = label = _label(plain if number is None else str(number), options)
    if label is None and isinstance(value, str) and number is None:
        letter = _letter(core, options, field)
    places = _texts(plain, options)
    text = places[0] if len(places) == 1 and (label is None or _is_letter(plain)) else None
    return Readings(letter, text, None if label is not None else number, len(places))


def held_against(value: Any, field: str, options: Options, sure: tuple[str, int]) -> None:
    """Disagreeing for a number that names another option than a surer key, the place in `sure`, from 0 and from 1."""
    column, place = sure
    found = readings(value, options, field)
    if place in (found.letter, found.text) or (found.number is not None and found.number - place in (0, 1)):
        return
    other = str(value).strip()[:40]
    raise Disagreeing(column, f"the keys disagree: {column} says {LETTERS[place]}, {field} says {other}")


def observed(value: Any, options: Options, field: str) -> Convention:
    """What one key says of the file's convention: nothing where it can be read in more than one way."""
    try:
        found = readings(_single(value, options, field), options, field)
    except Fault:
        return Convention()
    count = len(options.texts)
    if found.number is not None and 0 <= found.number <= count and found.text is None:
        return Convention(zeros=int(found.number == 0), tops=int(found.number == count), numbers=1)
    if found.letter is not None:
        return Convention(letters=int(found.text is None))
    return Convention(texts=int(found.text is not None and (found.number is None or not 0 <= found.number <= count)))


def _single(value: Any, options: Options, field: str) -> Any:
    """The one key that a cell holds. Several if there are more."""
    if isinstance(value, list):
        marks = [mark for mark in value if not blank(mark)]
        least = 2 if normed(field) in _MARKS else 3
        if len(value) == len(options.texts) >= least and value.count(1) == 1 and value.count(0) == len(value) - 1:
            return LETTERS[value.index(1)]  # a mark for each option
        if len(marks) == 1:
            return _single(marks[0], options, field)
        raise Several(field, f"several answers ({', '.join(map(str, marks))[:40]}), expected one")
    if not isinstance(value, str):
        if isinstance(value, int | float):
            return value
        raise Fault(field, f"expected a letter, a number or an option's text, found {kind(value)}")
    core = folded(value).strip(_AROUND)
    if _PLACES.fullmatch(core) and not _texts(value, options):
        marks = [int(mark) for mark in re.findall(r"\d+", core)]
        if len(marks) == len(options.texts) > 2 and sorted(marks) == [*(len(marks) - 1) * [0], 1]:
            return LETTERS[marks.index(1)]  # a mark for each option
        raise Several(field, f"several answers ({core}), expected one")
    if _SEVERAL.fullmatch(core) and not _texts(value, options) and _label(value.strip(), options) is None:
        letters = re.findall(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", core) or list(core)
        named = [letter.upper() for letter in letters]
        if len(set(named)) == len(named) > 1 and set(named) <= set(LETTERS[: len(options.texts)]):
            raise Several(field, f"several answers ({', '.join(named)}), expected one")
    return value


def _numbered(
    found: Readings,
    value: Any,
    options: Options,
    field: str,
    convention: Callable[[], Convention],
    whole: Callable[[], Convention],
) -> int:
    said_so, count = convention(), len(options.texts)
    place = _counted(found.number, said_so)
    if said_so.first is None and (found.text not in (None, place) or place is None or not 0 <= place < count):
        said_so = whole()  # one sign was not enough
        place = _counted(found.number, said_so)
    base = said_so.base
    sure = said_so.first is not None and place is not None and 0 <= place < count
    if found.text is not None and found.text != place and not sure:
        return _of_two(place, "number", found.text, value, field, said_so)
    if place is None:
        raise Unsure(field, f"answer {value} is a number, and nothing says whether the first option is 0 or 1")
    if not 0 <= place < count:
        raise Fault(field, f"answer {value} is none of the options {base} to {count - 1 + (base or 0)}")
    return place


def _counted(number: int | None, said_so: Convention) -> int | None:
    """The place that a number names; None where nothing says what it counts from."""
    return None if said_so.base is None or number is None else number - said_so.base


def _of_two(place: int | None, dress: str, text: int | None, value: Any, field: str, found: Convention) -> int:
    """Which of two readings the file's other keys speak for. Unsure if neither."""
    marks = found.numbers if dress == "number" else found.letters
    if found.texts and not marks and text is not None:
        return text
    if marks and not found.texts and place is not None:
        return place
    raise Unsure(field, f"answer {str(value)[:40]!r} is an option's {dress} and another option's text")


def _label(value: str, options: Options) -> int | None:
    small = [label.casefold() for label in options.labels]
    return small.index(value.casefold()) if value.casefold() in small else None


def _letter(core: str, options: Options, field: str) -> int | None:
    hit = _LETTER.fullmatch(core)
    if hit is None:
        if (both := marked(core)) is None:
            return None
        label, rest = both
        place = _place(label, options, field)
        return place if place is not None and place in _texts(rest, options) else None
    return _place(hit["letter"].upper(), options, field)


def _place(letter: str, options: Options, field: str) -> int | None:
    """The place of a letter: the option of that label, where labels are letters, else by order."""
    if options.labels and all(map(_is_letter, options.labels)):
        return _label(letter, options)
    if options.scrambled:
        raise Unsure(field, f"answer {letter} may be a place or a label: the options' own letters are out of order")
    place = LETTERS.index(letter)
    return place if place < len(options.texts) else None


def _is_letter(label: str) -> bool:
    return len(label) == 1 and label.upper() in LETTERS


def _texts(value: str, options: Options) -> list[int]:
    """The places of the options with that text: as it is, else without case and space; a letter only as it is."""
    wanted = value.strip()
    places = [n for n, text in enumerate(options.texts) if text.strip() == wanted]
    if places or _is_letter(value):
        return places
    wanted = normal(value)
    return [n for n, text in enumerate(options.texts) if _may_be(text, wanted) and normal(text) == wanted]


def _may_be(text: str, wanted: str) -> bool:
    """False where a look at its end says already that a text is not `wanted` without case and space."""
    return not wanted or not text.isascii() or text.rstrip()[-1:].lower() == wanted[-1]


def is_number(value: Any) -> bool:
    """Whether a key is a number, or a text that is nothing else."""
    if isinstance(value, str):
        return bool(_NUMBER.fullmatch(folded(value).strip(_AROUND)))
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_of(value: Any) -> int | None:
    """The whole number that a key is, in whatever dress; None if it is none."""
    if not is_number(value) or (isinstance(value, float) and not value.is_integer()):
        return None
    return int(float(folded(value).strip(_AROUND))) if isinstance(value, str) else int(value)


def is_letter(value: Any) -> bool:
    """Whether a key is a letter, or a list of letters, in whatever dress."""
    if isinstance(value, list):
        return all(is_letter(one) for one in value)
    core = folded(value).strip(_AROUND) if isinstance(value, str) else ""
    return bool(_LETTER.fullmatch(core) or (_SEVERAL.fullmatch(core) and core.isupper()))
