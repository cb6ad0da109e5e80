"""The adapter as an MLflow model; MLflow copies this file into the model and runs it there, without this house.

    model = mlflow.pyfunc.load_model("runs:/RUN/adapter")
    model.predict("Who sits left of Mia? …")                          a list with one reply
    model.predict(["…", "…"], params={"temperature": 0.7, "seed": 1})
    model.predict({"messages": [{"role": "user", "content": "…"}]})

A question is put into the prompt that the adapter learnt, a conversation goes as it is; both through the chat
template that lies with the adapter. The base model's weights are not in here: they are found where they lay in
training, by the hub's name, or where `model_config={"base_model": …}` says.
"""

import logging
import re
from pathlib import Path
from typing import Any

import mlflow

_HAN = re.compile(r"[\u3400-\u9fff]")
_OPTIONS = re.compile(r"^[ \t]*A[.):].*(?:\n.*)*\Z", re.MULTILINE)
_BATCH = 16


class Answering(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Base and adapter, loaded at once when MLflow loads the model."""

    def load_context(self, context: Any) -> None:
        """Load tokenizer, base and adapter, which lies beside the base: merged, it may be another model."""
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it asks for kernels that nothing here uses
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

        self.config = context.model_config
        folder = context.artifacts["adapter"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        base = AutoModelForCausalLM.from_pretrained(
            self._base(), revision=self.config.get("revision"), dtype="auto", use_safetensors=True
        ).to(device)
        if len(self.tokenizer) > base.get_input_embeddings().num_embeddings:
            base.resize_token_embeddings(len(self.tokenizer))
        self.stops = {self.tokenizer.eos_token_id, *_listed(base.generation_config.eos_token_id)}
        if (Path(folder) / "generation_config.json").is_file():
            self.stops |= {*_listed(GenerationConfig.from_pretrained(folder).eos_token_id)}
        self.model = PeftModel.from_pretrained(base, folder).eval()

    def predict(self, context, model_input, params: dict[str, Any] | None = None) -> list[str]:  # type: ignore[no-untyped-def]
        """One reply for each question or conversation."""  # MLflow would take hints for its own schema
        chats = [self._messages(one) for one in _inputs(model_input)]
        prompts = self.tokenizer.apply_chat_template(chats, add_generation_prompt=True, tokenize=False)
        replies: list[str] = []
        for start in range(0, len(prompts), _BATCH):
            replies += self._replies(prompts[start : start + _BATCH], params or {})
        return replies

    def _base(self) -> str:
        """The first of the places where the base model is; its identity is checked where this house is installed."""
        named, lay = self.config["base_model"], self.config.get("base_folder")
        place = next((str(place) for place in (named, lay) if place and Path(place).is_dir()), str(named))
        try:
            from tasks.models import base_models
        except ImportError:
            return place
        found = base_models.identity(place, self.config.get("revision"))
        if found != self.config["base_identity"]:
            logging.getLogger("ponens").warning(
                "base model %s is not the one the adapter was trained on: identity %s, expected %s",
                place, found[:16], self.config["base_identity"][:16],
            )  # fmt: skip
        return place

    def _messages(self, one: Any) -> list[dict[str, str]]:
        if not isinstance(one, str):
            return [dict(message) for message in one]
        template = (self.config.get("question") or {}).get("zh" if _HAN.search(one) else "en", "{question}")
        asked, places = one.strip(), re.compile(r"\{(question|options)\}")
        around = [part.strip() for part in places.split(template)[::2] if part.strip()]
        if around and all(part in asked for part in around):
            return [{"role": "user", "content": asked}]
        values = {"question": asked, "options": ""}
        if "{options}" in template and (listed := _OPTIONS.search(asked)):  # they have a place of their own
            values = {"question": asked[: listed.start()].strip(), "options": listed[0].strip()}
        return [{"role": "user", "content": places.sub(lambda place: values[place[1]], template)}]

    def _replies(self, prompts: list[str], params: dict[str, Any]) -> list[str]:
        import torch

        inputs = self.tokenizer(prompts, add_special_tokens=False, return_tensors="pt", padding=True)
        inputs = inputs.to(self.model.device)
        heat = float(params.get("temperature", 0.0))
        drawn = {"do_sample": True, "temperature": heat, "top_p": params.get("top_p", 1.0)} if heat > 0 else {}
        torch.manual_seed(int(params.get("seed", 0)))
        with torch.inference_mode():
            out = self.model.generate(
                **inputs,
                **({"do_sample": False} | drawn),
                max_new_tokens=int(params.get("max_new_tokens", 512)),
                pad_token_id=self.tokenizer.pad_token_id,
                eos_token_id=sorted(stop for stop in self.stops if stop is not None),
            )
        return [
            str(text)
            for text in self.tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        ]


def _listed(ids: Any) -> list[int]:
    return ids if isinstance(ids, list) else [ids]


def _inputs(given: Any) -> list[Any]:
    """Questions and conversations, out of the frame that MLflow makes of what it is given."""
    rows = [[value for value in row.values() if value is not None] for row in given.to_dict("records")]
    values = [row[0] if len(row) == 1 else row for row in rows]
    if values and all(isinstance(value, dict) for value in values):
        return [values]  # {"messages": […]} became a row for each message
    return values


mlflow.models.set_model(Answering())
