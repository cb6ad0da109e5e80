"""Pre-training documents of the toy base: skills and puzzle texts, never a solution.

A document is a chat about one puzzle text whose turns ask for single skills: copy the steps, look a key up,
find a given word among the options, take one step from a given value. The targets of the option scan and the
letters behind whole questions are random, so no document holds a puzzle with its right letter, and none a
chain of steps from a puzzle's start. Each piece of text carries the weight of its tokens in the loss.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from prompts import choice
from puzzles.families.base import Language, conclude
from puzzles.families.calendar import DAYS, MOVES, Calendar, Plan
from puzzles.families.compass import DIRECTIONS, TURNS, Compass, Heading
from puzzles.families.points import NAMES, Points, Scores
from puzzles.families.relay import Passes, Relay
from storage.records import Question

Piece = tuple[str, float]
GIVEN, DRAWN, DRILLED = 0.05, 0.3, 1.0  # text to read, letters drawn at random, the drill's reply
FAMILIES = (Compass(), Calendar(), Points(), Relay())  # those that a model so small learns
WORDS: dict[Language, tuple[str, ...]] = {
    "en": (*DIRECTIONS["en"], *TURNS["en"], *DAYS["en"], *MOVES["en"], *NAMES["en"]),
    "zh": (*DIRECTIONS["zh"], *TURNS["zh"], *DAYS["zh"], *MOVES["zh"], *NAMES["zh"]),
}
_ASK: dict[str, dict[Language, str]] = {
    "find": {"en": "Find", "zh": "找"},
    "copy": {"en": "Copy", "zh": "抄"},
    "start": {"en": "Start", "zh": "起"},
    "sort": {"en": "Sort", "zh": "排"},
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
        drill = rng.choice((_scan, _scan, _about, _about, _about, _about, _letter, _options))
        turns.append(drill(rng, question, state))
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


def _letter(rng: random.Random, question: Question, _: Any) -> tuple[str, list[Piece]]:
    """The real instruction, answered by a letter drawn at random."""
    asked = choice.solve(question)[0].content.removeprefix(choice.body(question)).strip()
    gap = " " if question.language == "en" else ""
    return asked, [(choice.forced(question), DRAWN), (gap + rng.choice(question.letters), DRAWN)]


def _scan(rng: random.Random, question: Question, _: Any) -> tuple[str, list[Piece]]:
    """A random option is named; the reply tests the options one by one until it comes."""
    target, language = rng.choice(question.options), question.language
    return _ask("find", language, target), [(conclude(target, question.options, language) or "", DRILLED)]


def _options(rng: random.Random, question: Question, _: Any) -> tuple[str, list[Piece]]:
    """The options copied, from the first to a random one."""
    count = rng.randint(1, len(question.options))
    lines = [f"{letter}) {text}" for letter, text in zip(question.letters, question.options[:count], strict=False)]
    return _ask("copy", question.language, question.letters[count - 1]), [("\n".join(lines), DRILLED)]


def _about(rng: random.Random, question: Question, state: Any) -> tuple[str, list[Piece]]:
    """A skill that belongs to the state read from the text."""
    drills: dict[type, tuple[Callable[..., tuple[str, list[Piece]]], ...]] = {
        Heading: (_steps, _steps, _start),
        Plan: (_steps, _steps, _start),
        Scores: (_scores, _scores, _ranks),
        Passes: (_passes, _passes, _start),
    }
    return rng.choice(drills[type(state)])(rng, state)


def _steps(rng: random.Random, state: Heading | Plan) -> tuple[str, list[Piece]]:
    """The numbered steps copied up to a given one, with nothing worked out."""
    moves = state.turns if isinstance(state, Heading) else state.moves
    lines = [f"{n} {move}" for n, move in enumerate(moves, 1)]
    count = rng.randint(1, len(lines))
    return _ask("copy", state.language, str(count)), [("\n".join([*lines[:count], _SO[state.language]]), DRILLED)]


def _start(_: random.Random, state: Any) -> tuple[str, list[Piece]]:
    return _ask("start", state.language), [(f"{_ASK['start'][state.language]} {state.start}", DRILLED)]


def _looked_up(language: Language, pairs: list[tuple[str, str]]) -> tuple[str, list[Piece]]:
    """Keys given in random order, values drilled."""
    pieces: list[Piece] = []
    for key, value in pairs:
        pieces += [(key, GIVEN), (" " + value, DRILLED), ("\n", GIVEN)]
    return _ask("find", language), pieces[:-1]


def _scores(rng: random.Random, state: Scores) -> tuple[str, list[Piece]]:
    return _looked_up(state.language, [(str(points), name) for points, name in rng.sample(state.points, 3)])


def _ranks(rng: random.Random, state: Scores) -> tuple[str, list[Piece]]:
    """The scores alone in falling order, without names."""
    count = rng.randint(1, len(state.points))
    lines = [f"{n} {points}" for n, (points, _) in enumerate(state.ranked()[:count], 1)]
    return _ask("sort", state.language, str(count)), [("\n".join(lines), DRILLED)]


def _passes(rng: random.Random, state: Passes) -> tuple[str, list[Piece]]:
    numbered = enumerate(rng.sample(sorted(state.to.items()), 4), 1)
    return _looked_up(state.language, [(f"{n} {giver}", to) for n, (giver, to) in numbered])


def _free(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    """A skill on random words: a numbered list, an option scan, steps from random values."""
    return rng.choice((_words, _words, _pairs, _word_scan, _turn, _move))(rng, language)


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


def _word_scan(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    words = tuple(rng.sample(WORDS[language], 4))
    target = rng.choice(words)
    options = "\n".join(f"{letter}) {word}" for letter, word in zip("ABCD", words, strict=True))
    return f"{options}\n\n{_ask('find', language, target)}", [(conclude(target, words, language) or "", DRILLED)]


def _turn(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    return _single_steps(rng, language, Compass())


def _move(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    return _single_steps(rng, language, Calendar())


def _single_steps(rng: random.Random, language: Language, family: Compass | Calendar) -> tuple[str, list[Piece]]:
    """Steps, each from a value drawn at random: no result is carried on."""
    pieces: list[Piece] = []
    for _ in range(3):
        state = family.read(family.make(rng, language).problem)
        assert state is not None
        step, other = (state.turns if isinstance(state, Heading) else state.moves)[:2]
        number = rng.randint(2, 6)
        # half of the values stand behind a start line, half behind another step, as in a chain
        if rng.random() < 0.4:
            before, number = f"{_ASK['start'][language]} {state.start}", 1
        else:
            before = f"{number - 1} {other}: {state.start}"
        pieces += [(f"{before}\n{number} {step}:", GIVEN), (" " + state.after(1)[0], DRILLED), ("\n", GIVEN)]
    return _ask("next", language), pieces[:-1]
