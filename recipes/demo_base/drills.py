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
from puzzles.families.boxes import Boxes, Swaps
from puzzles.families.compass import Compass, Heading
from puzzles.families.lamps import Lamps, LampStatements
from puzzles.families.points import NAMES, Points, Scores
from puzzles.families.relay import Passes, Relay
from storage.records import Question

Piece = tuple[str, float]
GIVEN, DRAWN, DRILLED = 0.05, 0.3, 1.0  # text to read, letters drawn at random, the drill's reply
WORDS: dict[Language, tuple[str, ...]] = {
    "en": (
        "north",
        "east",
        "south",
        "west",
        "right",
        "back",
        "left",
        "red",
        "blue",
        "green",
        "white",
        "black",
        "pink",
        *NAMES["en"],
        *"PQRSTUVW",
        "on",
        "off",
    ),
    "zh": (*"北东南西右后左红蓝绿白黑粉", *NAMES["zh"], *"甲乙丙丁戊己庚辛亮灭"),
}
_ASK: dict[str, dict[Language, str]] = {
    "find": {"en": "Find", "zh": "找"},
    "copy": {"en": "Copy", "zh": "抄"},
    "start": {"en": "Start", "zh": "起"},
    "sort": {"en": "Sort", "zh": "排"},
    "next": {"en": "Next", "zh": "下"},
    "test": {"en": "Test", "zh": "验"},
}
FAMILIES = (Compass(), Boxes(), LampStatements(), Points(), Relay())
_DOT = {"en": ". ", "zh": "."}
_COLON = {"en": ": ", "zh": "："}
_COMMA = {"en": ", ", "zh": "、"}
_START = {"en": "Start: ", "zh": "起："}
_SO = {"en": "So", "zh": "得"}


def document(rng: random.Random) -> list[Piece]:
    """One chat of one to three turns, about a puzzle text or about random words."""
    language: Language = rng.choice(("en", "zh"))
    if rng.random() < 0.25:
        return _chat([_free(rng, language) for _ in range(rng.choice((2, 3, 4)))])
    family = rng.choice(FAMILIES)
    puzzle = family.make(rng, language)
    asked = rng.choice(puzzle.questions)
    question = Question(puzzle.problem, asked.question, asked.options)
    state = family.read(puzzle.problem)
    turns: list[tuple[str, list[Piece]]] = []
    for _ in range(rng.choice((1, 2, 3))):
        drill = rng.choice((_scan, _about, _about, _about, _letter, _options))
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
    gap = " " if language == "en" else ""
    return _ASK[name][language] + _COLON[language] + gap.join(what) if what else _ASK[name][language]


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
    drills: dict[type, tuple[Callable[..., tuple[str, str]], ...]] = {
        Heading: (_steps, _steps, _start),
        Swaps: (_steps, _steps, _start),
        Lamps: (_lamps,),
        Scores: (_scores, _sorted_scores, _sorted_scores),
        Passes: (_passes, _passes, _start),
    }
    asked, reply = rng.choice(drills[type(state)])(rng, state)
    return asked, [(reply, DRILLED)]


def _listed(state: Any) -> list[str]:
    return [step if isinstance(step, str) else _COMMA[state.language].join(step) for step in _moves(state)]


def _moves(state: Any) -> tuple[Any, ...]:
    return state.turns if isinstance(state, Heading) else state.pairs


def _steps(rng: random.Random, state: Any) -> tuple[str, str]:
    """The numbered steps copied up to a given one, with nothing worked out."""
    lines = [f"{n}{_DOT[state.language]}{step}" for n, step in enumerate(_listed(state), 1)]
    count = rng.randint(1, len(lines))
    return _ask("copy", state.language, str(count)), "\n".join([*lines[:count], _SO[state.language]])


def _start(_: random.Random, state: Any) -> tuple[str, str]:
    return _ask("start", state.language), _START[state.language] + state.start


def _lamps(rng: random.Random, state: Lamps) -> tuple[str, str]:
    names = rng.sample(tuple(state.lit), rng.choice((2, 3, 4)))
    gap = " " if state.language == "en" else ""
    found = gap.join(name + state.lit[name] for name in names)
    return _ask("find", state.language, *names), found


def _scores(rng: random.Random, state: Scores) -> tuple[str, str]:
    rows = rng.sample(state.points, rng.choice((2, 3)))
    form = "{}. {} for {}" if state.language == "en" else "{}.{}分{}"
    lines = [form.format(n, points, name) for n, (points, name) in enumerate(rows, 1)]
    return _ask("find", state.language, *(str(points) for points, _ in rows)), "\n".join(lines)


def _sorted_scores(rng: random.Random, state: Scores) -> tuple[str, str]:
    """The scores alone in falling order, without names."""
    count = rng.randint(1, len(state.points))
    lines = [f"{n}{_DOT[state.language]}{points}" for n, (points, _) in enumerate(state.ranked()[:count], 1)]
    return _ask("sort", state.language, str(count)), "\n".join(lines)


def _passes(rng: random.Random, state: Passes) -> tuple[str, str]:
    givers = rng.sample(tuple(state.to), rng.choice((2, 3, 4)))
    form = "{}. {} to {}" if state.language == "en" else "{}.{}传{}"
    lines = [form.format(n, giver, state.to[giver]) for n, giver in enumerate(givers, 1)]
    return _ask("find", state.language, *givers), "\n".join(lines)


def _free(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    """A skill on random words: a numbered list, an option scan, a step from a random value, a claim to test."""
    return rng.choice((_words, _word_scan, _turn, _turn, _swap, _swap, _claim, _claim))(rng, language)


def _words(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    words = rng.sample(WORDS[language], rng.randint(3, 6))
    lines = [f"{n}{_DOT[language]}{word}" for n, word in enumerate(words, 1)]
    picked = rng.sample(range(len(lines)), rng.choice((2, 3)))
    asked = "\n".join(lines) + "\n\n" + _ask("find", language, *(str(n + 1) for n in picked))
    return asked, [("\n".join(lines[n] for n in picked), DRILLED)]


def _word_scan(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    words = tuple(rng.sample(WORDS[language], 4))
    question = Question("-", "-", words)
    target = rng.choice(words)
    asked = choice.body(question).split("\n", 3)[3] + "\n\n" + _ask("find", language, target)
    return asked, [(conclude(target, words, language) or "", DRILLED)]


def _turn(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    """Turns, each from a value drawn at random: no result is carried on."""
    family = Compass()
    pieces: list[Piece] = []
    for _ in range(3):
        state = family.read(family.make(rng, language).problem)
        assert state is not None
        pieces += _one_step(rng, language, state.start, state.turns[0], state.turns[1], state.after(1)[0])
    return _ask("next", language), pieces[:-1]


def _swap(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    """Swaps, each from a value drawn at random."""
    family = Boxes()
    pieces: list[Piece] = []
    for _ in range(3):
        state = family.read(family.make(rng, language).problem)
        assert state is not None
        pair, other = (_COMMA[language].join(pair) for pair in state.pairs[:2])
        pieces += _one_step(rng, language, state.start, pair, other, state.after(1)[0])
    return _ask("next", language), pieces[:-1]


def _one_step(rng: random.Random, language: Language, at: str, step: str, other: str, then: str) -> list[Piece]:
    # half of the values stand behind a start line, half behind another step, as in a chain
    number, dot, colon = rng.randint(2, 6), _DOT[language], _COLON[language]
    before = _START[language] if rng.random() < 0.4 else f"{number - 1}{dot}{other}{colon}"
    return [
        (f"{before}{at}\n{number}{dot}{step}{colon.rstrip()}", GIVEN),
        ((" " if language == "en" else "") + then, DRILLED),
        ("\n", GIVEN),
    ]


def _claim(rng: random.Random, language: Language) -> tuple[str, list[Piece]]:
    """A claim over two lamps tested against lamps that stand in the same line."""
    family = LampStatements()
    pieces: list[Piece] = []
    for letter in rng.sample("ABCD", 3):
        puzzle = family.make(rng, language)
        state = family.read(puzzle.problem)
        assert state is not None
        option = rng.choice(rng.choice(puzzle.questions).options)
        head, parts, whole = f"{letter}) {option}{_COLON[language].rstrip()}{state.judge(option)}".rsplit(
            _COLON[language].rstrip(), 2
        )
        colon = _COLON[language].rstrip()
        pieces += [(head + colon, GIVEN), (parts + colon + whole, DRILLED), ("\n", GIVEN)]
    return _ask("test", language), pieces[:-1]
