"""GGUF in and out: the same numbers, the same tokens, and a clear word for what cannot be one."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from storage.artifacts import write_json
from storage.home import Home
from storage.records import UsageError
from tasks.adapters import import_model
from tasks.gguf import header
from tasks.gguf.modelfile import modelfile, turns
from tasks.models import base_models as models
from tests.tiny import tiny_base

QUESTION = {"en": "{question}\n\nReason step by step."}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DEFAULT_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}" + CHATML
)  # fmt: skip
NO_SYSTEM = (
    "<s>{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }}</s>{% else %}{{ raise_exception('no system') }}{% endif %}"
    "{% endfor %}"
)
HEADERS = (
    "<|bos|>{% for m in messages %}<|h|>{{ m.role }}<|/h|>\n\n{{ m.content | trim }}<|eot|>{% endfor %}"
    "{% if add_generation_prompt %}<|h|>assistant<|/h|>\n\n{% endif %}"
)
NUMBERED = (
    "{% for m in messages %}{{ loop.index }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}{{ messages | length + 1 }}: {% endif %}"
)


class Templated:
    """What a tokenizer is to a Modelfile: a chat template that renders."""

    def __init__(self, template: str) -> None:
        from jinja2 import Environment, TemplateError

        def refuse(why: str) -> None:
            raise TemplateError(why)

        environment = Environment()
        environment.globals["raise_exception"] = refuse
        self.template = environment.from_string(template)

    def apply_chat_template(
        self, messages: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        assert not tokenize
        return self.template.render(messages=messages, add_generation_prompt=add_generation_prompt)


def ollama(template: str, messages: list[tuple[str, str]]) -> str:
    """What Ollama makes of the TEMPLATE that is written here: each message in the wrapping of its role."""
    text = modelfile("m.gguf", Templated(template), system=None, question={}, stops=[], about="x/1")
    inner = text.split('TEMPLATE """{{- range .Messages }}')[1].split('"""')[0]
    body, tail = inner.rsplit("{{ end }}{{ end }}", 1)
    wraps = {}
    for part in (body + "{{ end }}").split("{{ if eq .Role ")[1:]:
        role, rest = part.split(" }}", 1)
        before, after = rest.split("{{ .Content }}")
        wraps[role.strip('"')] = (before, after.removesuffix("{{ end }}"))
    return "".join(wraps[role][0] + words + wraps[role][1] for role, words in messages) + tail


@pytest.mark.parametrize("template", [CHATML, DEFAULT_SYSTEM, HEADERS.removeprefix("<|bos|>")])
def test_a_modelfile_wraps_turns_as_the_chat_template_does(template: str) -> None:
    talk = [("system", "Be brief."), ("user", "1+1?"), ("assistant", "2"), ("user", "2+2?")]
    rendered = Templated(template).apply_chat_template(
        [{"role": role, "content": words} for role, words in talk], tokenize=False, add_generation_prompt=True
    )

    assert rendered == ollama(template, talk)


def test_system_words_that_a_template_puts_in_by_itself_are_the_modelfiles() -> None:
    text = modelfile(
        "m.gguf", Templated(DEFAULT_SYSTEM), system=None, question=QUESTION, stops=["<|im_end|>"], about="x/1, merged"
    )
    own = modelfile("m.gguf", Templated(DEFAULT_SYSTEM), system="Be brief.", question={}, stops=[], about="x/1")

    assert 'SYSTEM """You help."""' in text
    assert 'PARAMETER stop "<|im_end|>"' in text
    assert "#   Reason step by step." in text
    assert 'SYSTEM """Be brief."""' in own


def test_a_template_without_a_system_turn_has_none_in_the_modelfile() -> None:
    shape = turns(Templated(NO_SYSTEM.removeprefix("<s>").replace(" {{ m.content }}</s>", "{{ m.content }}</s>")))

    assert shape is not None
    assert shape.system is None
    assert ("[INST] ", " [/INST]") == shape.user


@pytest.mark.parametrize("template", [NUMBERED, "<s>{{ messages[-1].content }}", NO_SYSTEM, HEADERS])
def test_a_template_that_does_more_than_wrap_turns_is_not_written_wrongly(template: str) -> None:
    text = modelfile("m.gguf", Templated(template), system=None, question={}, stops=[], about="x/1")

    assert "TEMPLATE" not in text
    assert "does more than wrap turns" in text


def gguf_file(path: Path, architecture: str = "llama", **metadata: Any) -> Path:
    """A GGUF file of one small tensor and this metadata."""
    import numpy as np
    from gguf import GGUFWriter

    writer = GGUFWriter(str(path), architecture)
    for key, value in metadata.items():
        key = key.replace("__", ".")
        writer.add_string(key, value) if isinstance(value, str) else writer.add_uint32(key, value)
    writer.add_tensor("token_embd.weight", np.ones((4, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"general__type": "adapter"}, "no language model"),
        ({"general__type": "mmproj"}, "no language model"),
        ({"architecture": "bert", "tokenizer__ggml__model": "bert"}, "no language model"),
        ({"architecture": "clip"}, "no language model"),
        ({"split__count": 4}, "one of 4 parts"),
        ({}, "lacks a part"),
    ],
)
def test_a_file_that_no_base_can_be_made_of_is_refused_by_its_header(
    metadata: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = gguf_file(tmp_path / "m.gguf", **metadata)

    with pytest.raises(UsageError, match=said):
        header.read(file)


def test_a_file_that_is_cut_or_no_gguf_is_refused(tmp_path: Path) -> None:
    whole = gguf_file(tmp_path / "m.gguf", tokenizer__ggml__model="gpt2").read_bytes()
    cut, other = tmp_path / "cut.gguf", tmp_path / "other.gguf"
    other.write_bytes(b"PK\x03\x04 a zip")

    for length in (6, 40, len(whole) - 100):
        cut.write_bytes(whole[:length])
        with pytest.raises(UsageError, match="cut off or damaged"):
            header.read(cut)
    with pytest.raises(UsageError, match="no GGUF file"):
        header.read(other)
    with pytest.raises(UsageError, match="there is no file"):
        import_model.import_model(tmp_path / "nowhere.gguf", Home(tmp_path / "home"), name="m")


def tiny_llama(folder: Path, rule: str) -> Path:
    """A random llama with grouped heads and biases, and the toy's tokenizer cut by another rule."""
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    from tasks.gguf import pre_tokenizers

    tiny_base(folder)
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    for file in ("model.safetensors", "config.json"):
        (folder / file).unlink()
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=rows, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=False, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.pre_tokenizer = pre_tokenizers.rule(rule)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def converted(file: Path, place: Path, tokenizer: Path | None = None) -> Path:
    """What the import's child makes of a file, in this process."""
    from tasks.gguf.convert import convert

    order = {"file": str(file), "out": str(place), "dtype": "float32", "tokenizer": tokenizer and str(tokenizer)}
    write_json(place.with_suffix(".order"), order)
    convert(place.with_suffix(".order"))
    return place


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    from tasks.gguf.write import write

    root = tmp_path_factory.mktemp("gguf")
    folder, file = tiny_llama(root / "llama", "smollm"), root / "Llama.F32.gguf"
    write(folder, file, "f32", "tiny")
    return SimpleNamespace(folder=folder, file=file, imported=converted(file, root / "imported"), root=root)


@pytest.mark.heavy
def test_what_is_written_as_gguf_is_read_back_number_by_number(llama: SimpleNamespace) -> None:
    import torch
    from safetensors.torch import load_file

    ours, theirs = (load_file(place / "model.safetensors") for place in (llama.folder, llama.imported))

    assert ours.keys() == theirs.keys()
    assert [] == [name for name in ours if not torch.equal(ours[name], theirs[name])]


@pytest.mark.heavy
def test_digits_are_cut_one_by_one_where_the_file_says_so(llama: SimpleNamespace) -> None:
    from tokenizers import Tokenizer

    texts = [f"In {n}, {n * 7} of 每{n}只 cost ${n}.5;\n\n x_{n} = '{n}'" for n in (7, 42, 2024, 1234567)]
    original, rebuilt = (Tokenizer.from_file(str(p / "tokenizer.json")) for p in (llama.folder, llama.imported))

    assert [original.encode(t).ids for t in texts] == [rebuilt.encode(t).ids for t in texts]
    assert ["2", "0", "2", "4"] == list(rebuilt.encode("2024").tokens)


@pytest.mark.heavy
def test_a_file_of_8_bits_answers_nearly_as_the_folder(llama: SimpleNamespace) -> None:
    from tasks.gguf.compare import compare
    from tasks.gguf.write import write

    file = llama.root / "q8.gguf"
    write(llama.folder, file, "q8_0", "tiny")
    exact, eight = compare(llama.folder, llama.file), compare(llama.folder, file)

    assert 0.0 == exact.apart
    assert exact.tokens
    assert 0.0 < eight.apart < 0.05
    assert file.stat().st_size < llama.file.stat().st_size / 2


@pytest.mark.heavy
def test_a_rule_that_is_not_known_is_refused_unless_the_tokenizer_is_given(llama: SimpleNamespace) -> None:
    from gguf import GGUFReader, GGUFWriter

    reader, file = GGUFReader(str(llama.file)), llama.root / "unknown.gguf"
    writer = GGUFWriter(str(file), "llama")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = "viking" if name == "tokenizer.ggml.pre" else field.contents()
        kind, element = field.types[0], field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(name, value, kind, element)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    with pytest.raises(UsageError, match="a rule that is not known here"):
        converted(file, llama.root / "refused")
    given = converted(file, llama.root / "given", llama.folder)

    assert (llama.folder / "tokenizer.json").read_bytes() == (given / "tokenizer.json").read_bytes()


@pytest.mark.heavy
def test_a_lora_in_gguf_is_the_difference_that_merging_makes(llama: SimpleNamespace, tmp_path: Path) -> None:
    import numpy as np
    import torch
    from gguf import GGUFReader
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    from tasks.gguf.write import write, write_lora

    torch.manual_seed(5)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(llama.folder), config).save_pretrained(tmp_path / "lora")
    base = json.loads((llama.folder / "config.json").read_text())
    write_lora(tmp_path / "lora", base, tmp_path / "lora.gguf", "tiny/1")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(llama.folder), tmp_path / "lora")
    shutil.copytree(llama.folder, tmp_path / "merged")
    model.merge_and_unload().save_pretrained(tmp_path / "merged")
    write(tmp_path / "merged", tmp_path / "merged.gguf", "f32", "tiny/1")

    before, after, lora = (
        {tensor.name: np.array(tensor.data) for tensor in GGUFReader(str(file)).tensors}
        for file in (llama.file, tmp_path / "merged.gguf", tmp_path / "lora.gguf")
    )
    changed = {name.rpartition(".lora_")[0] for name in lora}

    assert changed == {name for name in before if not np.array_equal(before[name], after[name])}
    for name in changed:
        delta = lora[f"{name}.lora_b"] @ lora[f"{name}.lora_a"] * (8 / 4)
        np.testing.assert_allclose(after[name] - before[name], delta, atol=1e-5)


@pytest.mark.heavy
def test_a_recipe_over_a_gguf_file_is_one_over_the_folder_it_was_imported_to(
    llama: SimpleNamespace, tmp_path: Path
) -> None:
    from flows.bases import local
    from flows.recipe import load
    from storage import base_models

    home = Home(tmp_path / "home")
    shutil.copyfile(llama.file, tmp_path / "My Model.gguf")
    recipe = tmp_path / "r.toml"
    recipe.write_text('name = "r"\n[parse]\npath = "q.jsonl"\n[train]\nbase_model = "My Model.gguf"\n')

    place = Path(local(load(recipe), home.root).training.base_model)
    again = local(load(recipe), home.root).training.base_model
    by_name = local(load(recipe, ["train.base_model=my-model"]), home.root).training.base_model

    assert ["my-model"] == base_models.names(home)
    assert home.root / "models" / "my-model" == place
    assert str(place) == again == by_name
    assert "my-model (My Model.gguf, as stored)" == models.title(str(place))
    assert models.identity(str(place)) == models.identity(str(llama.imported)), "what it came from is no part of it"
    with pytest.raises(UsageError, match="is there already"):
        import_model.import_model(tmp_path / "My Model.gguf", home, name="my-model", dtype="bfloat16")
