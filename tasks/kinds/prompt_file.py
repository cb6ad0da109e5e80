"""A prompt as a Jinja template of a user's own: checked, and made flat texts with places for what is asked.

It may choose by language and put the parts where it likes. It cannot compute with them: whoever serves the adapter
puts a question into the very words that training saw, and has no template of Jinja's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prompts.choice import LINE
from prompts.turns import placed
from storage.records import UsageError

NAMES = ("question", "options", "answer_line", "language")
_SIGNS = {"question": "\ue000question\ue001", "options": "\ue000options\ue001"}
_PROBES = (("Who?", "A) Mia\nB) Tom"), ("谁住在这里，\n又是为什么？", "A) 甲\nB) 乙\nC) 丙"))


def templates(file: Path, lines: Mapping[str, str], *, options: bool) -> dict[str, str]:
    """The texts by language. UsageError names what is missing, what is unknown, what cannot be rendered.

    `options` asks for a place for them, and for the answer line of `lines`.
    """
    template = _parsed(file, options=options)
    found = {}
    for language in LINE:
        values = {"language": language, **({"answer_line": lines[language]} if lines else {})}
        flat = _render(file, template, {**values, **_SIGNS})
        if "{question}" in flat or "{options}" in flat or "{key}" in flat:
            raise _wrong(file, "a place in single braces", "{{ question }}, with two braces")
        for name, sign in _SIGNS.items():
            flat = flat.replace(sign, f"{{{name}}}")
        flat = flat.replace("{question}\n{options}", "{question}") if options else flat
        if flat.count("{question}") != 1 or flat.count("{options}") > 1:
            raise _wrong(file, f"in {language}, {flat.count('{question}')} places for the question", "each place once")
        for question, listed in _PROBES:
            real = _render(file, template, {**values, "question": question, "options": listed})
            if real != placed(flat, question, listed if options else ""):
                raise _wrong(file, "a template that computes with the question", "one that puts it in its place")
        if options and lines[language] not in flat:
            raise _wrong(file, f"no answer line {lines[language]!r} in {language}", "{{ answer_line }} in the template")
        found[language] = flat
    return found


def _parsed(file: Path, *, options: bool) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    try:
        text = file.read_text("utf-8").strip()
        names = jinja2.meta.find_undeclared_variables(environment.parse(text))
        template = environment.from_string(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"[prompt] file {file} cannot be read", seen=error, expected="a template in UTF-8") from None
    except jinja2.TemplateSyntaxError as error:
        raise _wrong(file, f"line {error.lineno}: {error.message}", "a Jinja template") from None
    allowed = NAMES if options else ("question", "language")
    if unknown := sorted(names - set(allowed)):
        raise _wrong(file, f"unknown {', '.join(unknown)}", f"of {', '.join(allowed)}")
    wanted = ("question", "options") if options else ("question",)
    if missing := [name for name in wanted if name not in names]:
        raise _wrong(
            file, f"no {' and no '.join(f'{{{{ {name} }}}}' for name in missing)}", "a place for what is asked"
        )
    return template


def _render(file: Path, template: jinja2.Template, values: Mapping[str, str]) -> str:
    try:
        return template.render(**values)
    except Exception as error:  # a user's template may raise anything
        raise _wrong(file, f"{type(error).__name__}: {error}", "a template that renders") from None


def _wrong(file: Path, seen: str, expected: str) -> UsageError:
    return UsageError(f"[prompt] file {file} is no prompt", seen=seen, expected=expected)
