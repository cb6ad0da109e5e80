"""Pre-training documents of the toy base: skills and puzzle texts, never a solution.

A document is a chat about one puzzle text whose turns ask for single skills: copy the steps, look a key up,
look a given word up among the options, take one step from a given value. The targets of that look-up and the
letters behind whole questions are random, so no document holds a puzzle with its right letter, and none a
chain of steps from a puzzle's start. Each piece of text carries the weight of its tokens in the loss.
"""

from __future__ import annotations

import random
import re
from typing import Any

from prompts import choice
from puzzles.families.base import Language, reasoned
from puzzles.families.calendar import CALENDAR
from puzzles.families.compass import COMPASS
from puzzles.families.moves import Course, Moves
from puzzles.families.points import NAMES
from puzzles.families.relay import Passes, Relay
from puzzles.families.seasons import SEASONS
from storage.records import Question

Piece = tuple[str, float]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
GIVEN, DRAWN, DRILLED = 0.05, 0.3, 1.0  # text to read, letters drawn at random, the drill's reply


def _words_of(family: Moves, language: Language) -> tuple[str, ...]:
    said = family.wording[language]
    return (*said.values, *said.moves)


MOVES = (COMPASS, CALENDAR, SEASONS)
FAMILIES = (*MOVES, Relay())  # those that a model so small learns
WORDS: dict[Language, tuple[str, ...]] = {
    language: (*(word for family in MOVES for word in _words_of(family, language)), *NAMES[language])
    for language in LANGUAGES
}
_ASK: dict[str, dict[Language, str]] = {
    "find": {"en": "Find", "zh": "找"},
    "copy": {"en": "Copy", "zh": "抄"},
    "start": {"en": "Start", "zh": "起"},
    "next": {"en": "Next", "zh": "下"},
}
_SO = {"en": "So", "zh": "得"}


def document(rng: random.Random) -> list[Piece]:
    """One chat of two to five turns, about a puzzle text or about random words."""
    language: Language = rng.choice(("en", "zh"))
    if rng.random() < 0.25:
        return _chat([_free(rng, language) for _ in range(rng.choice((3, 4, 5)))])
    family = rng.choice(FAMILIES)
    puzzle = family.make(rng, language)
    asked = rng.choice(puzzle.questions)
    question = Question(puzzle.problem, asked.question, asked.options)
    state = family.read(puzzle.problem)
    turns: list[tuple[str, list[Piece]]] = []
    for _ in range(rng.choice((2, 3, 4))):
        drill = rng.choice((_find, _find, _about, _about, _about, _bid))
        turns.append(drill(rng, question, asked.answer, state))
    first, reply = turns[0]
    turns[0] = (choice.body(question) + "\n\n" + first, reply)
    return _chat(turns)


def _chat(turns: list[tuple[str, list[Piece]]]) -> list[Piece]:
    pieces: list[Piece] = []
    for asked, reply in turns:
        pieces.append((f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n", GIVEN))
        pieces += [*reply, ("<|im_end|>\n", DRILLED)]
    return pieces


def _ask(name: str, language: Language, *what: str) -> str:
    return " ".join((_ASK[name][language], *what))


def _bid(rng: random.Random, question: Question, right: str, state: Any) -> tuple[str, list[Piece]]:
    """The real instruction: mostly the start line alone, now and then a wrong letter drawn at random."""
    asked = choice.solve(question)[0].content.removeprefix(choice.body(question)).strip()
    if rng.random() < 0.75:
        return asked, _start(rng, state)[1]
    gap = " " if question.language == "en" else ""
    wrong = rng.choice(question.letters.replace(right, ""))
    return asked, [(choice.forced(question), DRAWN), (gap + wrong, DRAWN)]


def _find(rng: random.Random, question: Question, right: str, _: Any) -> tuple[str, list[Piece]]:
    """A wrong option is named; the reply letters the options and looks it up."""
    options = dict(zip(question.letters, question.options, strict=True))
    target = options[rng.choice(question.letters.replace(right, ""))]
    return _found(question.language, target, question.options)


def _found(language: Language, target: str, options: tuple[str, ...]) -> tuple[str, list[Piece]]:
    return _ask("find", language, target), [(reasoned([], target, options, language) or "", DRILLED)]


def _about(rng: random.Random, question: Question, right: str, state: Any) -> tuple[str, list[Piece]]:
    """A skill that belongs to the state read from the text; half of the time as far as the question asks."""
    asked = re.search(r"\d", question.question)
    assert asked is not None
    if rng.random() < 0.25:
        return _start(rng, state)
    return (_steps if isinstance(state, Course) else _passes)(rng, state, int(asked[0]))


def _steps(rng: random.Random, state: Course, asked: int) -> tuple[str, list[Piece]]:
    """The numbered steps copied up to the one asked for, or to a given one, with nothing worked out."""
    count = rng.choice((asked, rng.randint(1, len(state.moves))))
    lines = [f"{n} {move}" for n, move in enumerate(state.moves[:count], 1)]
    what = () if count == asked else (str(count),)
    return _ask("copy", state.language, *what), [("\n".join([*lines, _SO[state.language]]), DRILLED)]


def _start(_: random.Random, state: Any) -> tuple[str, list[Piece]]:
    return _ask("start", state.language), [(f"{_ASK['start'][state.language]} {state.start}", DRILLED)]


def _looked_up(language: Language, pairs: list[tuple[str, str]]) -> tuple[str, list[Piece]]:
    """Keys given in random order, values drilled."""
    pieces: list[Piece] = []
    for key, value in pairs:
        pieces += [(key, GIVEN), (" " + value, DRILLED), ("\n", GIVEN)]
    return _ask("find", language), pieces[:-1]


def _passes(rng: random.Random, state: Passes, asked: int) -> tuple[str, list[Piece]]:
    """As many passes as asked for, from players drawn at random: no pass follows from the one before."""
    numbered = enumerate(rng.sample(sorted(state.to.items()), asked), 1)
    asking, pieces = _looked_up(state.language, [(f"{n} {giver}", to) for n, (giver, to) in numbered])
    return asking, [*pieces, ("\n" + _SO[state.language], DRILLED)]


def _free(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    """A skill on random words: a numbered list, pairs, options looked up, steps from random values."""
    return rng.choice((_words, _pairs, _lettered, _lettered, _single_steps, _single_steps, _single_steps))(
        rng, language
    )


def _words(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    """A numbered list, looked up by number in random order."""
    pairs = [(str(n), word) for n, word in enumerate(rng.sample(WORDS[language], rng.randint(3, 6)), 1)]
    asked, reply = _looked_up(language, rng.sample(pairs, len(pairs)))
    return "\n".join(f"{n} {word}" for n, word in pairs) + "\n\n" + asked, reply


def _pairs(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    """Pairs of words, looked up by the first."""
    words = rng.sample(WORDS[language], 10)
    pairs = list(zip(words[::2], words[1::2], strict=True))
    asked, reply = _looked_up(language, [(f"{n} {one}", two) for n, (one, two) in enumerate(rng.sample(pairs, 5), 1)])
    return ", ".join(f"{one} {two}" for one, two in pairs) + "\n\n" + asked, reply


def _lettered(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    words = tuple(rng.sample(WORDS[language], 4))
    options = "\n".join(f"{letter}) {word}" for letter, word in zip("ABCD", words, strict=True))
    asked, reply = _found(language, rng.choice(words), words)
    return f"{options}\n\n{asked}", reply


def _single_steps(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    """Steps, each from a value drawn at random: no result is carried on."""
    family = rng.choice(MOVES)
    said = family.wording[language]
    pieces: list[Piece] = []
    for _ in range(4):
        start, step, other = rng.choice(said.values), rng.choice(tuple(said.moves)), rng.choice(tuple(said.moves))
        number = rng.randint(2, 6)
        # half of the values stand behind a start line, half behind another step, as in a chain
        if rng.random() < 0.4:
            before, number = f"{_ASK['start'][language]} {start}", 1
        else:
            before = f"{number - 1} {other}: {start}"
        end = Course(family, language, start, (step,)).after(1)[0]
        pieces += [(f"{before}\n{number} {step}:", GIVEN), (" " + end, DRILLED), ("\n", GIVEN)]
    return _ask("next", language), pieces[:-1]
