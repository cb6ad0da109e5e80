"""The rules by which a mapping is guessed from the values of a file's columns: see `suggestion`.

Each takes the rows by their ways and the profiles of these, and gives a mapping, how sure it is, and why, or None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from storage.records import LETTERS, folded
from storage.sources.column_profile import MOST, Profile, Row, families
from storage.sources.formats import keys
from storage.sources.guessed_options import MOST_OPTIONS, dress, options_of, run_of, share_named

_LONG = 200  # characters of a passage
_NEAR = 3  # the same, of a right answer and wrong ones

Guess = tuple[dict[str, str | list[str]], str, dict[str, str]]


def dialogue(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """A column of lists of turns."""
    way = next((way for way, one in seen.items() if one.turns >= MOST), None)
    return ({"messages": way}, "sure", {way: "messages: a list of turns, each with who says it"}) if way else None


def sql(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """A query beside a schema."""
    query = next((way for way, one in seen.items() if one.sql >= MOST), None)
    schema = next((way for way, one in seen.items() if one.schema >= MOST), None)
    asked = _question([way for way in seen if way not in (query, schema)], seen)
    if query is None or schema is None or asked is None:
        return None
    why = {query: "sql: each begins with SELECT", schema: "sql_context: CREATE TABLE", asked: "sql_prompt: it asks"}
    return {"sql_prompt": asked, "sql_context": schema, "sql": query}, "sure", why


def options_in_a_cell(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """A cell that holds several texts, and a column that names one of them."""
    for way, one in seen.items():
        if one.constant and len(found) > 1:
            continue
        options = [options_of(row.get(way)) for row in found]
        if sum(option is not None for option in options) < MOST * len(found):
            continue
        others = [key for key in seen if key != way and not key.startswith((f"{way}.", f"{way}["))]
        named = [(key, share_named(found, key, options)) for key in others if not seen[key].constant or len(found) == 1]
        key = max((one for one in named if one[1] >= MOST), key=lambda one: dress(found, one[0]), default=(None, 0))[0]
        left = [other for other in seen if other not in (way, key) and not other.startswith((f"{way}.", f"{way}["))]
        if key is None and len(texts_of({other: seen[other] for other in left})) > 1:
            continue  # tags beside a question and its answer
        if key is None and isinstance(found[0].get(way), list) and len(options[0].texts if options[0] else ()) < 3:
            continue
        if guess := _asked(left, seen, way, key, "sure" if key else "a guess"):
            columns, confidence, why = guess
            named_by = {key: "answer: each value names one of the options"} if key else {}
            return columns, confidence, {**why, way: "options: each cell holds several", **named_by}
    return None


def options_by_text(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """The columns in a row of which another holds the text of one."""
    for key, one in seen.items():
        held = [row for row in found if not keys.blank(row.get(key))]
        texts = [way for way, other in seen.items() if way != key and other.is_text]
        if not one.text or len(held) < 2:
            continue
        hits = [[way for way in texts if row.get(way) == row[key]] for row in held]
        places = [texts.index(way) for each in hits for way in each]
        if len(set(places)) < 2 or sum(len(each) == 1 for each in hits) < MOST * len(held):
            continue
        first, last = min(places), max(places)
        options = next((run for run in families(list(seen), seen) if texts[first] in run and texts[last] in run), None)
        options = [way for way in options or texts[first : last + 1] if way != key][:MOST_OPTIONS]
        left = [way for way in seen if way not in (*options, key)]
        if guess := _asked(left, seen, options, key, "sure"):
            columns, confidence, why = guess
            said = f"answer: each value is the text of one of {', '.join(options)}"
            return (
                columns,
                confidence,
                {**why, key: said, **dict.fromkeys(options, "options: the answer is one of these")},
            )
    return None


def options_by_key(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """The columns in a row of which another names one by its letter, or by a small number that is not the row's own."""
    counting = [way for way, one in seen.items() if one.counts and way != next(iter(seen)) and not one.metadata]
    for key in [*(way for way, one in seen.items() if not one.counts), *counting]:
        one, held = seen[key], [row[key] for row in found if not keys.blank(row.get(key))]
        if not held:
            continue
        if one.letter == 1:
            letters = {letter for value in held for letter in _letters(value)}
            count, dress = max(map(LETTERS.index, letters)) + 1, "letter"
        elif all(place is not None and 0 <= place <= MOST_OPTIONS for place in map(keys.number_of, held)):
            count, dress = max(place for place in map(keys.number_of, held) if place is not None), "number"
        else:
            continue
        asked = _question([way for way in seen if way != key], seen)
        options = run_of(seen, key, asked, max(2, count))
        left = [way for way in seen if way not in (*options, key)]
        if options and (guess := _asked(left, seen, options, key, "likely")):
            columns, confidence, why = guess
            if dress == "number" and one.distinct > len(options):
                continue
            said = f"answer: a {dress} that names one of {', '.join(options)}"
            return columns, confidence, {**why, key: said, **dict.fromkeys(options, "options: texts side by side")}
    return None


def _letters(value: str) -> list[str]:
    """The letters of a key: of "Answer: B", "AC", "(a)"."""
    text = folded(value).upper()
    return re.findall(r"(?<![A-Z])[A-Z](?![A-Z])", text) or [char for char in text if char in LETTERS] or ["A"]


def right_and_wrong(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """A right answer, and wrong ones in columns whose names are one family."""
    asked = _question(list(seen), seen)
    for run in families(list(seen), seen):
        length = max(seen[way].length for way in run)
        others = [
            way
            for way in texts_of(seen)
            if way not in (asked, *run) and seen[way].length <= _NEAR * max(1.0, length) and not seen[way].constant
        ]
        if asked is None or asked in run or len(others) != 1 or length > _LONG:
            continue
        [right] = others
        why = {right: "correct_answer: the text beside the family", asked: "question: " + _why_it_asks(seen[asked])}
        why |= dict.fromkeys(run, "incorrect_answers: a family of names")
        return {"question": asked, "correct_answer": right, "incorrect_answers": run}, "a guess", why
    return None


def options_alone(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """A family of short texts beside what asks, and nothing that names one: test questions."""
    asked = _question(list(seen), seen)
    for run in families(list(seen), seen):
        short = max(seen[way].length for way in run) <= _LONG
        if asked is not None and asked not in run and seen[asked].asks >= MOST and len(run) > 2 and short:
            why = {asked: "question: " + _why_it_asks(seen[asked]), **dict.fromkeys(run, "options: a family of names")}
            return {"question": asked, "options": run[:MOST_OPTIONS]}, "a guess", why
    return None


def truth(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """A text that is true or false; or two texts and whether the second is good."""
    judged = next((way for way, one in seen.items() if one.truth >= MOST), None)
    texts = texts_of(seen)
    if judged is None or not texts:
        return None
    if len(texts) == 1:
        why = {texts[0]: "question: the only text", judged: "answer: true or false"}
        return {"question": texts[0], "options": ['"True"', '"False"'], "answer": judged}, "likely", why
    found_pair = pair(found, seen)
    if found_pair is None:
        return None
    columns, _, why = found_pair
    said = "label: true or false, read as whether the answer is good"
    return {**columns, "label": judged}, "a guess", {**why, judged: said}


def answers_in_a_list(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """What asks, and a list of answers of which the first is learnt."""
    asked = _question(list(seen), seen)
    way = next((way for way in seen if all(_are_texts(row.get(way)) for row in found)), None)
    if asked is None or way is None:
        return None
    why = {asked: "prompt: " + _why_it_asks(seen[asked]), way: "completion: the first of a list of texts"}
    return {"prompt": asked, "completion": f"{way}[0]"}, "a guess", why


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def classes(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """A text and one of a few short values."""
    texts = texts_of(seen)
    label = next((way for way, one in seen.items() if one.classes and not one.metadata), None)
    others = [way for way in texts if way != label]
    if label is None or len(others) != 1 or len(found) < 4:
        return None
    said = f"label: {seen[label].distinct} short values that come again and again"
    return {"text": others[0], "label": label}, "likely", {others[0]: "text: the only other text", label: said}


def pair(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """What asks, and the longest text after it."""
    texts = texts_of(seen)
    asked = _question(texts, seen)
    others = [way for way in texts if way != asked and not (seen[way].constant and len(found) > 1)]
    if asked is None or not others:
        return None
    after = [way for way in others if texts.index(way) > texts.index(asked)] or others
    answer = max(after, key=lambda way: seen[way].length)
    sure = "likely" if seen[asked].asks >= MOST and len(others) == 1 else "a guess"
    why = {asked: "prompt: " + _why_it_asks(seen[asked]), answer: "completion: the longest text that is left"}
    return {"prompt": asked, "completion": answer}, sure, why


def text(found: list[Row], seen: Mapping[str, Profile]) -> Guess | None:
    """One text."""
    texts = texts_of(seen)
    return ({"text": texts[0]}, "a guess", {texts[0]: "text: the only text"}) if texts else None


def _asked(
    ways: list[str], seen: Mapping[str, Profile], options: str | list[str], key: str | None, sure: str
) -> Guess | None:
    question = _question(ways, seen)
    if question is None:
        return None
    before = [
        way
        for way in ways
        if way != question and seen[way].is_text and list(seen).index(way) < list(seen).index(question)
    ]
    context = next((way for way in before if seen[way].length > _LONG and not seen[way].metadata), None)
    columns: dict[str, str | list[str]] = {
        **({"context": context} if context else {}),
        "question": question,
        "options": options,
    }
    why = {
        question: "question: " + _why_it_asks(seen[question]),
        **({context: "context: a long text above it"} if context else {}),
    }
    return {**columns, **({"answer": key} if key else {})}, sure, why


def _why_it_asks(one: Profile) -> str:
    return (
        f"{one.asks:.0%} of its texts end as a question does" if one.asks else "the text that is left, and the longest"
    )


def _question(ways: Sequence[str], seen: Mapping[str, Profile]) -> str | None:
    """The text that asks most often; of several, or of none that asks, the first that is no class and longest."""
    texts = [way for way in ways if way in texts_of(seen)]
    asking = [way for way in texts if seen[way].asks >= 0.5]
    if asking:
        return max(asking, key=lambda way: (round(seen[way].asks, 1), -texts.index(way)))
    plain = [way for way in texts if not seen[way].classes] or texts
    return plain[0] if plain else None


def texts_of(seen: Mapping[str, Profile]) -> list[str]:
    """The columns of words that may be part of a lesson: no letters, no metadata."""
    return [
        way for way, one in seen.items() if one.is_text and not one.metadata and one.letter < MOST and one.length > 2
    ]


RULES = (
    dialogue,
    sql,
    options_in_a_cell,
    options_by_text,
    options_by_key,
    right_and_wrong,
    options_alone,
    truth,
    classes,
    pair,
    answers_in_a_list,
    text,
)
