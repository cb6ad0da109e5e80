"""A recipe's own words: what [prompt] says becomes the one prompt of teacher, training, evaluation and serving.

Everything is checked before anything is paid for: an answer line that the parser cannot read back, a template without
its places or with names that are none, examples that do not end as the prompt asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prompts import choice
from prompts.choice import HOUSE, Choice
from prompts.rendering import Wish
from prompts.worded import HOUSES, Worded
from storage.dialogues import Kind
from storage.home import Home
from storage.records import LETTERS, Question, Receipt, UsageError, digest
from storage.tables.dialogue_files import Dialogues
from storage.tables.questions import Stored
from tasks.kinds import prompt_file
from tasks.kinds.few_shot import Shot, headed, read, said_in, said_of
from tasks.kinds.registry import KINDS, Prompt

Texts = str | dict[Literal["en", "zh"], str]
_PLACES = ("{question}", "{options}", "{key}")
_PROBES = {
    "en": ("Let us see.\n{}", "{}", "First one, then another.\n\n{}\n"),
    "zh": ("我们来看。\n{}", "{}", "先看甲，再看乙。\n\n{}\n"),
}


class PromptSpec(BaseModel):
    """[prompt]: how questions are asked, where the house's words do not fit; by language where en and zh differ."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instruction: Texts | None = Field(None, description="What is asked below each question, in place of our words.")
    system: str | None = Field(None, description="System prompt of teacher, training, evaluation and serving.")
    answer_line: Texts | None = Field(
        None,
        description='The line that ends a reply, X for the letter, such as "Final answer: X"; it must be readable.',
    )
    closed_world: bool | None = Field(
        None, description="Say that what is not stated is false. By default our words say it and your own do not."
    )
    few_shot: str | None = Field(
        None, description="File of solved questions, or of rows {question, answer}, that stand before each question."
    )
    file: str | None = Field(
        None, description="A Jinja template of one's own with {{ question }}, {{ options }} and {{ answer_line }}."
    )

    @field_validator("instruction", "answer_line", "system")
    @classmethod
    def _said(cls, given: Texts | None) -> Texts | None:
        for text in given.values() if isinstance(given, dict) else [given]:
            if text is not None and not text.strip():
                raise ValueError("an empty text; leave it out for our words")
            if text and (place := next((place for place in _PLACES if place in text), None)):
                raise ValueError(
                    f"{place} has no place here: the question stands above; [prompt] file places it freely"
                )
        return given

    @field_validator("answer_line")
    @classmethod
    def _readable(cls, given: Texts | None) -> Texts | None:
        for language, line in _by_language(given).items():
            check_line(line, language)
        return given

    @model_validator(mode="after")
    def _one_way(self) -> PromptSpec:
        beside = [name for name in ("instruction", "closed_world", "few_shot") if getattr(self, name) is not None]
        if self.file and beside:
            raise ValueError(f"file says it all: leave {', '.join(beside)} out, or write it into the template")
        return self

    @property
    def wish(self) -> Wish | None:
        """The rendering that a system prompt asks for by itself."""
        return Wish(system=self.system) if self.system else None

    @property
    def worded(self) -> bool:
        """Whether anything but the system prompt is one's own."""
        return any(getattr(self, name) is not None for name in type(self).model_fields if name != "system")


def check_line(line: str, language: str) -> None:
    """ValueError unless every letter that the line can have is read back from a reply that ends with it."""
    before, _ = choice.parts(line)
    if not before.strip() or "\n" in line:
        raise ValueError(f"{line!r}: expected one line with words before the X, such as {choice.LINE[language]!r}")
    texts = tuple(f"{'选项' if language == 'zh' else 'option'} {n}" for n in range(len(LETTERS)))
    for letter in LETTERS:
        for probe in _PROBES[language]:
            reply = probe.format(letter.join(choice.parts(line)))
            if (seen := choice.read(reply, Question("", "?", texts)).answer) != letter:
                said = f"reads {seen} from it" if seen else "reads no letter from it"
                raise ValueError(f"{line!r} cannot be asked for: of {reply!r} the parser {said}, expected {letter}")


def prompt_of(spec: PromptSpec, kind: Kind) -> tuple[Choice | Prompt, list[Shot]]:
    """The prompt that a recipe asks with, and the solved examples in it. UsageError for files that do not do."""
    if not spec.worded:
        return (Choice(system=spec.system) if KINDS[kind].letters else KINDS[kind].asking), []
    lines = {**choice.LINE, **_by_language(spec.answer_line)}
    shots = read(Path(spec.few_shot), kind, lines) if spec.few_shot else []
    if KINDS[kind].letters:
        return _choice(spec, lines, shots), shots
    house = HOUSES[kind]
    if spec.file:
        templates = prompt_file.templates(Path(spec.file), {}, options=False)
    else:
        own = _by_language(spec.instruction)
        templates = {
            language: headed(shots, language) + (f"{{question}}\n\n{own[language]}" if language in own else words)
            for language, words in house.TEMPLATE.items()
        }
    return Worded(kind, _version(house.VERSION, templates), templates), shots


def _choice(spec: PromptSpec, lines: Mapping[str, str], shots: list[Shot]) -> Choice:
    own = _by_language(spec.instruction)
    asked, shown = dict[str, str](), dict[str, str]()
    files = prompt_file.templates(Path(spec.file), lines, options=True) if spec.file else {}
    for language, line in lines.items():
        hint = choice.HINTED[language]
        hint = hint[0].upper() + hint[1:]
        end = _ending("", language, line)
        if spec.file:
            asked[language], shown[language] = files[language], f"{files[language]}\n\n{hint}{_gap(language)}{end}"
            continue
        closed = spec.closed_world if spec.closed_world is not None else language not in own
        before = f"{headed(shots, language)}{{question}}\n\n"
        if language in own:
            said = choice.CLOSED[language] + _gap(language) if closed else ""
            said += _sentence(own[language], language)
            asked[language] = before + _ending(said, language, line)
            shown[language] = before + said + _gap(language) + hint + _gap(language) + end
        else:
            asked[language], shown[language] = (
                before + words(closed, lines)[language] for words in (choice.solving, choice.explaining)
            )
    version = _version(HOUSE.VERSION, asked, shown, lines)
    return Choice(version, asked, shown, lines, spec.system, own=True)


def _ending(said: str, language: str, line: str) -> str:
    """The words with the request for the answer line, unless they have it already."""
    if line in said:
        return said
    end = choice.END[language].format(line=line)
    return f"{said}{_gap(language) if said else ''}{end[0].upper()}{end[1:]}"


def _sentence(text: str, language: str) -> str:
    text = text.strip()
    return text if text[-1] in ".!?:;。！？：；”\"'" else text + ("。" if language == "zh" else ".")


def _gap(language: str) -> str:
    return "" if language == "zh" else " "


def _by_language(given: Texts | None) -> dict[str, str]:
    """A text for each language that has one; one text for all stands for both."""
    if given is None:
        return {}
    return (
        {str(language): text for language, text in given.items()}
        if isinstance(given, dict)
        else {"en": given, "zh": given}
    )


def _version(house: str, *texts: Mapping[str, str]) -> str:
    return f"{house}+{digest([dict(text) for text in texts])[:8]}"


class Asking:
    """A recipe's prompt, its files read and checked. UsageError for what no prompt can be made of."""

    def __init__(self, spec: PromptSpec, kind: Kind) -> None:
        self._spec, self._kind = spec, kind
        self.words, self._shots = prompt_of(spec, kind)

    def unleaked(self, home: Home, parsed: Receipt) -> None:
        """UsageError if an example is a question that is kept back; nothing is looked at before it is parsed."""
        if not self._shots or not parsed.digest:
            return
        if KINDS[self._kind].letters:
            held = {said_of(q): f"{q.file}:{q.line}" for q in Stored(home, parsed) if q.split != "train"}
        else:
            held = {said_in(d): f"{d.file}:{d.line}" for d in Dialogues(home, parsed) if d.split != "train"}
        for shot in self._shots:
            if place := held.get(shot.said):
                raise UsageError(
                    f"an example of {self._spec.few_shot} is a question that is kept back for measuring",
                    seen=f"its row {shot.row}, which is {place}: {shot.question[:80]!r}",
                    expected="examples that are neither test nor validation",
                    hint="take it out of the examples, or out of the source",
                )
