r"""Several answers to one prompt, each with a rating: the best and the worst of them are a preference.

    {"prompt": "…", "answers": [{"answer": "…", "rank": 2.0}, {"answer": "…", "rank": 1.0}]}       Nectar
    {"instruction": "…", "completions": [{"response": "…", "overall_score": 9.0}, …]}              UltraFeedback
    {"question": "…", "answers": [{"text": "…", "pm_score": 5}, …]}                                Stack Exchange
    {"prompt": "…", "response_1": "…", "response_2": "…", "preference_strength": 2}                HelpSteer2
    {"history": "…", "human_ref_A": "…", "human_ref_B": "…", "labels": 0}                          SHP
    {"question": {"full_text": "…"}, "answer_0": "…", "answer_1": "…", "score_0": 1, "score_1": -1}    WebGPT
    {"conversation_a": […], "conversation_b": […], "winner": "model_b"}                            arenas
    {"prompt": "…", "responses": ["…", "…"], "scores": [0.9, 0.1]}                                 lists side by side
    {"prompt": "[\"…\"]", "response_a": "[\"…\"]", "response_b": "…", "winner_model_a": 1, …}          arena, 55k
    {"info": {"post": "…"}, "summaries": [{"text": "…"}, {"text": "…"}], "choice": 1}              TL;DR
    {"title": "…", "answers": {"text": ["…", "…"], "score": [5, 2]}}                               ELI5

Answers that are rated alike are rejected: nothing is preferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from storage.dialogues import Preference
from storage.sources.formats import preference
from storage.sources.formats.base import At, Cells, Fault, Format, kind, said
from storage.sources.formats.packed import unpacked

_LISTS = ("answers", "completions", "responses")
_WON = ("winner_model_a", "winner_model_b")  # beside the answers of both, JSON in a text for each turn
_TEXTS = ("answer", "response", "text", "content", "completion")
_LOWER = ("rank",)  # 1 is the best
_HIGHER = ("overall_score", "score", "rating", "pm_score", "reward")
_ASKS = ("prompt", "instruction", "question", "history", "context")
_SIDES = ("user", "assistant")
_TIE = "both answers are rated alike: nothing is preferred"


def _strength(value: Any) -> int | None:
    return None if not isinstance(value, int | float) or value == 0 else int(value > 0)


def _winner(value: Any) -> int | None:
    word = str(value).lower().strip()
    for name in ("model_", "response_", "assistant_", "answer_", "completion_"):
        word = word.removeprefix(name)
    return {"a": 0, "b": 1}.get(word)


def _numbered(value: Any) -> int | None:
    return {"1": 0, "2": 1}.get(str(value).lower().removeprefix("response_").removeprefix("model_"))


def _first_is_better(value: Any) -> int | None:
    return {1: 0, 0: 1}.get(value) if isinstance(value, int) else None


# the two answers, the columns that judge them, and which of the two is the better one by that
_PAIRS: tuple[tuple[tuple[str, str], str, Callable[[Any], int | None]], ...] = (
    (("response_1", "response_2"), "preference_strength", _strength),
    (("response1", "response2"), "overall_preference", _strength),
    (("human_ref_A", "human_ref_B"), "labels", _first_is_better),
    (("conversation_a", "conversation_b"), "winner", _winner),
    *(
        (pair, judged, _winner)
        for pair in (("response_a", "response_b"), ("answer_a", "answer_b"), ("completion_a", "completion_b"))
        for judged in ("winner", "preference", "preferred", "choice", "label")
    ),
    *(
        (pair, judged, _numbered)
        for pair in ((f"{name}1", f"{name}2") for name in ("response_", "response", "answer_", "answer"))
        for judged in ("winner", "preferred", "preference", "choice", "better")
    ),
)
_BESIDE = (("scores", 1), ("rewards", 1), ("ratings", 1), ("ranks", -1), ("ranking", -1), ("rank", -1))
# two answers, and the score of each
_SCORED = tuple(
    ((f"{name}_{one}", f"{name}_{other}"), (f"score_{one}", f"score_{other}"))
    for name in ("answer", "response", "completion")
    for one, other in (("0", "1"), ("1", "2"), ("a", "b"))
)


def sniff(row: Cells) -> bool:
    """Two answers and which of them is better, or a list of answers with a rating each."""
    return any(of(row) is not None for of in (_pair, _list, _beside, _summaries)) or _arena(row)


def records(row: Cells, at: At) -> Iterator[Preference]:
    """The preference of a row."""
    if _arena(row):
        row = _arena_pair(row)
    elif isinstance(lists := row.get("answers"), dict) and isinstance(lists.get("text"), list):
        row = {**row, "answers": [{"text": t, "score": s} for t, s in _zipped(lists)]}
    better, worse = _two(row)
    asked = _asked(row)
    yield from preference.records({**asked, "chosen": better, "rejected": worse}, at)


def _two(row: Cells) -> tuple[Any, Any]:
    if (summaries := _summaries(row)) is not None:
        best = row["choice"]
        return summaries[best], summaries[1 - best]
    if (names := _pair(row)) is not None:
        place = _better(row, names)
        return row[names[place]], row[names[1 - place]]
    if (beside := _beside(row)) is not None:
        return _ends(row, *beside)
    name = _list(row)
    if name is None:
        raise Fault("answers", "no answers with a rating each")
    items = row[name]
    rating = next(rating for rating in (*_LOWER, *_HIGHER) if rating in items[0])
    rated = []
    for n, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get(rating), int | float):
            raise Fault(f"{name}[{n}]", f"no number at {rating}")
        words = next((item[text] for text in _TEXTS if text in item), None)
        rated.append((item[rating] * (-1 if rating in _LOWER else 1), said(words, f"{name}[{n}]")))
    return _apart(rated, name)


def _ends(row: Cells, name: str, rating: str, sign: int) -> tuple[Any, Any]:
    """The best and the worst of a list of answers whose ratings are a list of their own."""
    answers, ratings = row[name], row[rating]
    if len(answers) != len(ratings) or not all(isinstance(value, int | float) for value in ratings):
        raise Fault(rating, f"expected a number for each of {len(answers)} answers")
    texts = [said(words, f"{name}[{n}]") for n, words in enumerate(answers)]
    return _apart([(value * sign, words) for value, words in zip(ratings, texts, strict=True)], rating)


def _apart(rated: list[tuple[float, str]], field: str) -> tuple[str, str]:
    best, worst = max(rated, key=lambda one: one[0]), min(rated, key=lambda one: one[0])
    if best[0] == worst[0]:
        raise Fault(field, "all answers are rated alike: nothing is preferred")
    return best[1], worst[1]


def _better(row: Cells, names: tuple[str, str]) -> int:
    _, judged, which = next((one for one in _PAIRS if one[0] == names and one[1] in row), (names, "", _winner))
    if not judged:
        rated = next(scores for pair, scores in _SCORED if pair == names)
        first, second = (row[name] for name in rated)
        if not isinstance(first, int | float) or not isinstance(second, int | float) or first == second:
            raise Fault(rated[0], _TIE)
        return int(second > first)
    best = which(row[judged])
    if best is None:
        raise Fault(judged, f"{str(row[judged])[:40]!r}: {_TIE}")
    return best


def _pair(row: Cells) -> tuple[str, str] | None:
    judged = next((names for names, judged, _ in _PAIRS if {*names, judged} <= row.keys()), None)
    return judged or next((names for names, scores in _SCORED if {*names, *scores} <= row.keys()), None)


def _beside(row: Cells) -> tuple[str, str, int] | None:
    """The columns of answers and of their ratings, where both are lists, and 1 where more is better, else -1."""
    name = next((name for name in _LISTS if isinstance(row.get(name), list) and len(row[name]) > 1), None)
    if name is None or not isinstance(row[name][0], str):
        return None
    return next(((name, rating, sign) for rating, sign in _BESIDE if isinstance(row.get(rating), list)), None)


def _zipped(lists: Cells) -> list[tuple[Any, Any]]:
    """Texts and scores of answers in lists of their own. Fault where they do not fit each other."""
    scores = lists.get("score")
    if not isinstance(scores, list) or len(scores) != len(lists["text"]):
        raise Fault("answers.score", f"expected a number for each of {len(lists['text'])} answers")
    return list(zip(lists["text"], scores, strict=True))


def _summaries(row: Cells) -> list[Any] | None:
    """The texts of two summaries of which one is chosen; None for any other row."""
    found = row.get("summaries") if "summaries" in row else None
    if not isinstance(found, list) or len(found) != 2 or row.get("choice") not in (0, 1):
        return None
    return [one.get("text") for one in found] if all(isinstance(one, dict) for one in found) else None


def _arena(row: Cells) -> bool:
    return row.keys() >= {*_WON, "response_a", "response_b"}


def _arena_pair(row: Cells) -> dict[str, Any]:
    """An arena's row with both dialogues as turns, and who won in a word."""
    talks = {}
    for side in ("a", "b"):
        asked, answers = unpacked(row.get("prompt")), unpacked(row[f"response_{side}"])
        if not isinstance(asked, list) or not isinstance(answers, list) or len(asked) != len(answers):
            asked, answers = [row.get("prompt")], [row[f"response_{side}"]]
        pairs = enumerate(zip(asked, answers, strict=True))
        both = [
            (role, said(words, f"response_{side}[{n}]"))
            for n, two in pairs
            for role, words in zip(_SIDES, two, strict=True)
        ]
        talks[f"conversation_{side}"] = [{"role": role, "content": words} for role, words in both]
    won = next((name for name in _WON if row[name] in (1, "1", True)), "tie")
    return {**talks, "winner": won.removeprefix("winner_")}


def _list(row: Cells) -> str | None:
    """The column of a list of answers that each have a text and a rating."""
    for name in _LISTS:
        items = row.get(name) if name in row else None
        if (
            isinstance(items, dict)
            and isinstance(items.get("text"), list)
            and "score" in items
            and len(items["text"]) > 1
        ):
            return name
        if isinstance(items, list) and len(items) > 1 and isinstance(items[0], dict):
            first = items[0]
            if any(text in first for text in _TEXTS) and any(rating in first for rating in (*_LOWER, *_HIGHER)):
                return name
    return None


def _asked(row: Cells) -> dict[str, Any]:
    """The prompt, under the name that preferences have for it; {} where both answers begin with it."""
    name = next((name for name in _ASKS if row.get(name)), None)
    value = row[name] if name else None
    if name is None and isinstance(info := row.get("info"), dict):
        value = info.get("post") or info.get("article")
    elif name is None and isinstance(row.get("title"), str):
        value = "\n\n".join(row[part] for part in ("title", "selftext") if isinstance(row.get(part), str) and row[part])
    if isinstance(value, dict):
        value = value.get("full_text", value.get("text"))
    if value is not None and not isinstance(value, str | list):
        raise Fault(str(name), f"expected a prompt, found {kind(value)}")
    return {"prompt": value} if value is not None else {}


FORMAT = Format("rated", sniff, records)
