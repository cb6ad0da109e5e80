"""What known families' chat templates do, each trait in a template of our own: what is learnt, where it ends, and that
evaluation and serving send, token by token, what training put before the reply.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from prompts.rendering import Rendering, Wish
from storage.artifacts import write_json
from storage.records import PonensError
from tasks.engines import chat_rendering, weights
from tasks.engines.interface import Loading, Request
from tasks.serve import model
from tasks.serve import request as asking
from tasks.serve.transformers_server import Server
from tasks.tokenizing import renderer as render
from tasks.tokenizing.masks import IGNORED, Teaching, samples
from tests.conversations import row, turns
from tests.tiny import CHATML, tiny_tokenizer

pytestmark = pytest.mark.heavy  # transformers, though no model

ASKING = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
DEFAULT_SYSTEM = "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}"
# earlier thoughts are taken out, the last reply always has one, and asking may shut the thought at once
THINKING = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% set words = m.content.split('</think>')[-1].lstrip('\\n') %}"
    "{% if m.role != 'assistant' %}{{ m.content }}{% elif not loop.last %}{{ words }}"
    "{% else %}{{ '<think>\\n' + (m.content.split('</think>')[0].split('<think>')[-1].strip('\\n') if '</think>' in m.content else '')"
    " + '\\n</think>\\n\\n' + words }}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for m in messages %}{{ '<|h|>' + m.role + '<|/h|>\\n\\n' + m.content | trim + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|h|>assistant<|/h|>\\n\\n' }}{% endif %}"
)
NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "{{ '<turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' + m.content | trim + '<end>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<turn>model\\n' }}{% endif %}"
)
BRACKETS = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
# the system's words stand before the last question; or only where that is the last turn of all, which it never is
# once there is a reply
SYSTEM_MOVES, SYSTEM_GOES = (
    BRACKETS.replace(
        "'[INST] ' +",
        f"'[INST] ' + (messages[0].content + '\\n\\n' if {last} and messages[0].role == 'system' else '') +",
    )
    for last in ("m == (messages | selectattr('role', 'equalto', 'user') | list)[-1]", "loop.last")
)
CHANNELS = (
    "{{ '<start>system<message>Be kind.<end>' }}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ '<start>assistant<channel>final<message>' + m.content + ('<return>' if loop.last and not add_generation_prompt else '<end>') }}"
    "{% else %}{{ '<start>' + m.role + '<message>' + m.content + '<end>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start>assistant' }}{% endif %}"
)
MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>\\n' }}{% endgeneration %}"
    "{% else %}{{ m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}" + ASKING
)
NO_ROLES = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '<user>' + m.content }}"
    "{% else %}{{ '<assistant>' + m.content.split('</think>')[-1] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
OTHERWISE = "writes an answer otherwise once other turns follow"


@dataclass(frozen=True)
class Trait:
    """A template, the special tokens of its model, and what must come of it.

    `head` is what a model is asked "Which way?" with, `reply` what is learnt of "East."; `both` what "assistant"
    learns of two turns, or why it is refused; `ends` the token that ends a reply, `eos` the tokenizer's own.
    """

    template: str
    head: str
    reply: str
    both: list[str] | str
    ends: str
    eos: str
    tokens: tuple[str, ...] = ()
    thinking: bool | None = None


def chatml(template: str = CHATML, opening: str = "", **more: Any) -> Trait:
    given = {"eos": "<|im_end|>", "reply": "East.<|im_end|>\n", "both": ["East.<|im_end|>\n", "West.<|im_end|>\n"]}
    head = f"{opening}<|im_start|>user\nWhich way?<|im_end|>\n<|im_start|>assistant\n"
    return Trait(**{"template": template, "head": head, "ends": "<|im_end|>", **given, **more})


TRAITS = {
    "a default system turn": chatml(DEFAULT_SYSTEM + CHATML, "<|im_start|>system\nYou help.<|im_end|>\n"),
    "eos that ends no turn": chatml(eos="<|endoftext|>"),
    "generation tags": chatml(MARKED),
    "thoughts taken out of earlier turns": chatml(
        THINKING, reply="<think>\n\n</think>\n\nEast.<|im_end|>\n", both=OTHERWISE
    ),
    "thoughts shut at once": chatml(
        THINKING, thinking=False, both=OTHERWISE,
        head="<|im_start|>user\nWhich way?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    ),
    "headers, trimmed, after a bos": Trait(
        HEADERS, "<|bos|><|h|>user<|/h|>\n\nWhich way?<|eot|><|h|>assistant<|/h|>\n\n", "East.<|eot|>",
        ["East.<|eot|>", "West.<|eot|>"], "<|eot|>", "<|endoftext|>", ("<|bos|>", "<|h|>", "<|/h|>", "<|eot|>"),
    ),
    "no system turn, another name for the assistant": Trait(
        NO_SYSTEM, "<|bos|><turn>user\nWhich way?<end>\n<turn>model\n", "East.<end>\n", ["East.<end>\n", "West.<end>\n"],
        "<end>", "<|endoftext|>", ("<|bos|>", "<turn>", "<end>"),
    ),
    "brackets, and a reply that begins with a space": Trait(
        BRACKETS, "<|bos|>[INST] Which way? [/INST]", " East.</s>", [" East.</s>", " West.</s>"], "</s>", "</s>",
        ("<|bos|>", "</s>", "[INST]", "[/INST]"),
    ),
    "channels that a reply opens, and an end for the last turn alone": Trait(
        CHANNELS, "<start>system<message>Be kind.<end><start>user<message>Which way?<end><start>assistant",
        "<channel>final<message>East.<return>", OTHERWISE, "<return>", "<return>",
        ("<start>", "<end>", "<message>", "<channel>", "<return>"),
    ),
    "no line between role and words": Trait(
        NO_ROLES, "<|bos|><user>Which way?<assistant>", "East.</s>", ["East.</s>", "West.</s>"], "</s>", "</s>",
        ("<|bos|>", "</s>", "<user>", "<assistant>"),
    ),
}  # fmt: skip


def base(trait: Trait, folder: Path) -> Path:
    """A base's folder without weights, whose tokenizer puts a bos before a text by itself where the family does."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(trait.tokens)})
    tokenizer.eos_token, tokenizer.chat_template = trait.eos, trait.template
    if "<|bos|>" in trait.tokens:
        tokenizer.bos_token = "<|bos|>"
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|bos|> $A", special_tokens=[("<|bos|>", tokenizer.bos_token_id)]
        )
    folder.mkdir(parents=True)
    tokenizer.save_pretrained(folder)
    told = {"eos_token_id": tokenizer.eos_token_id, "vocab_size": len(tokenizer)}
    write_json(folder / "config.json", {"model_type": "llama", "max_position_embeddings": 512, **told})
    write_json(folder / "generation_config.json", {"eos_token_id": tokenizer.eos_token_id})
    return folder


@pytest.fixture(scope="module", params=TRAITS)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    trait = TRAITS[request.param]
    folder = base(trait, tmp_path_factory.mktemp("traits") / "base")
    renderer = render.fit(render.load(str(folder), None), Wish(thinking=trait.thinking))
    return SimpleNamespace(trait=trait, folder=folder, renderer=renderer, tokenizer=renderer.tokenizer)


def learnt(sample: Any, tokenizer: Any) -> list[str]:
    marked = groupby(zip(sample.ids, sample.labels, strict=True), lambda pair: pair[1] != IGNORED)
    return [tokenizer.decode([id for id, _ in run]) for teaches, run in marked if teaches]


def test_what_is_learnt_is_the_reply_with_its_end_after_exactly_the_head(one: SimpleNamespace) -> None:
    [sample] = samples([row("r", turns("Which way?", "East."))], one.renderer, Teaching())

    assert one.trait.head + one.trait.reply == one.tokenizer.decode(sample.ids)
    assert [one.trait.reply] == learnt(sample, one.tokenizer)


def test_two_turns_are_learnt_whole_or_refused(one: SimpleNamespace) -> None:
    rows = [row("r", turns("Which way?", "East.", "And now?", "West."))]
    split = [learnt(s, one.tokenizer) for s in samples(rows, one.renderer, Teaching("split"))]

    assert [[one.trait.reply], [one.trait.reply.replace("East", "West")]] == split
    if isinstance(one.trait.both, str):
        with pytest.raises(PonensError, match=one.trait.both):
            list(samples(rows, one.renderer, Teaching("assistant")))
    else:
        [sample] = samples(rows, one.renderer, Teaching("assistant"))
        assert one.trait.both == learnt(sample, one.tokenizer)


def test_evaluation_and_serving_send_the_tokens_that_training_put_before_the_reply(one: SimpleNamespace) -> None:
    [sample] = samples([row("r", turns("Which way?", "East."))], one.renderer, Teaching())
    trained = sample.ids[: sample.labels.index(next(label for label in sample.labels if label != IGNORED))]
    question = {"role": "user", "content": "Which way?"}
    loading = Loading(str(one.folder))

    found, _ = chat_rendering.renderers(loading, {}, Wish(thinking=one.trait.thinking), refuse=True)
    reader = weights.readers(loading, 512)["base"]
    [sent] = reader.encode([Request("k", "base", found["base"].prompt([question]), 8)])
    assert trained == sent.ids

    card = model.base(one.folder, "base", "i" * 64).model
    kwargs = {} if one.trait.thinking is None else {"chat_template_kwargs": {"enable_thinking": one.trait.thinking}}
    body = asking.chat(card, {"model": "base", "messages": [question], **kwargs})
    text = Server.prompt(cast(Server, SimpleNamespace(reader=lambda _: reader)), "base", body)
    assert trained == reader.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_training_evaluation_and_serving_end_at_the_same_tokens(one: SimpleNamespace) -> None:
    [sample] = samples([row("r", turns("Which way?", "East."))], one.renderer, Teaching())
    end, eos = one.tokenizer.convert_tokens_to_ids([one.trait.ends, one.trait.eos])
    card = model.base(one.folder, "base", "i" * 64).model

    assert one.trait.ends == render.end_tokens(one.renderer)[0]
    assert end in sample.labels
    assert sorted({end, eos}) == weights.readers(Loading(str(one.folder)), 512)["base"].stops
    assert sorted({end, eos}) == sorted({*card.stops, eos}), "eos, where engines stop anyway, is not named"


def test_system_words_have_a_place_or_are_refused(one: SimpleNamespace) -> None:
    template = one.trait.template
    wish = Wish(system="Be brief.", thinking=one.trait.thinking)
    if template in (NO_SYSTEM, BRACKETS):
        with pytest.raises(PonensError, match="leaves the system prompt out"):
            render.fit(render.load(str(one.folder), None), wish)
    else:
        fitted = render.fit(render.load(str(one.folder), None), wish)
        assert 1 == fitted.prompt([{"role": "user", "content": "Which way?"}]).count("Be brief.")
        assert "You help." not in fitted.prompt([{"role": "user", "content": "Which way?"}])


@pytest.mark.parametrize(
    ("template", "why", "split"),
    [(SYSTEM_MOVES, OTHERWISE, [1, 1]), (SYSTEM_GOES, "the prompt's text is no prefix", None)],
    ids=["moves", "goes"],
)
def test_system_words_that_do_not_stay_before_the_first_question_are_refused_over_two_turns(
    tmp_path: Path, template: str, why: str, split: list[int] | None
) -> None:
    trait = replace(TRAITS["brackets, and a reply that begins with a space"], template=template)
    renderer = render.fit(render.load(str(base(trait, tmp_path / "base")), None), Wish(system="Be brief."))
    rows = [row("r", turns("Which way?", "East.", "And now?", "West."))]

    with pytest.raises(PonensError, match=why):
        list(samples(rows, renderer, Teaching("assistant")))
    if split is None:
        with pytest.raises(PonensError, match=why):
            list(samples(rows, renderer, Teaching("split")))
    else:
        texts = [renderer.tokenizer.decode(s.ids) for s in samples(rows, renderer, Teaching("split"))]
        assert split == [text.count("Be brief.") for text in texts]


def test_a_template_that_drops_every_thought_is_refused_where_rows_think(tmp_path: Path) -> None:
    trait = TRAITS["no line between role and words"]
    renderer = render.fit(render.load(str(base(trait, tmp_path / "base")), None), Wish())

    with pytest.raises(PonensError, match="leaves out part of what is to be learnt"):
        list(samples([row("r", turns("Which way?", "<think>\nhm\n</think>\n\nEast."))], renderer, Teaching()))
    opened = Rendering(
        Wish(), trait.template.replace("{{ '<assistant>' }}{% endif", "{{ '<assistant><think>\\n' }}{% endif")
    )
    renderer.tokenizer.chat_template = opened.text
    with pytest.raises(PonensError, match="the prompt's text is no prefix"):
        list(samples([row("r", turns("Which way?", "East."))], render.Renderer(renderer.tokenizer, opened), Teaching()))
