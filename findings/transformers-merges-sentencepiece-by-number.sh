#!/usr/bin/env bash
# Guess: a model's folder that has SentencePiece's tokenizer.model and no tokenizer.json gives the same tokens through
# transformers 5 as through SentencePiece, as it did before transformers wrote its tokenizers anew.
# What happens: transformers makes the merges in the order of the pieces' numbers and does not read their scores. In the
# vocabularies of Llama 2 and Mistral runs of spaces have low numbers and the lowest score of all, so that they are now
# merged first instead of last: two spaces, and every indented line of code, become tokens that the model never met in
# that place. Nothing is said; training, evaluation and serving through transformers are all wrong alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  transformers==5.19.0 sentencepiece==0.2.3 protobuf==7.36.2 mistral-common==1.13.1
cd "$folder"
cat > look.py <<'PY'
import json
import shutil
import sys
from pathlib import Path

import mistral_common
import transformers
from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer

model = Path("model")
model.mkdir()
shutil.copy(Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1", model / "tokenizer.model")
(model / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 32000}))
names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
(model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", **names}))
theirs, own = AutoTokenizer.from_pretrained(model), SentencePieceProcessor(model_file=str(model / "tokenizer.model"))
print("transformers", transformers.__version__, type(theirs).__name__)
pieces = [own.id_to_piece(number) for number in range(259, 263)]
print("pieces 259 to 262:", [(piece, own.get_score(own.piece_to_id(piece))) for piece in pieces])
differ = []
for text in ("The robot turns left.", "hello  world", "def f(x):\n    return x  # ok"):
    expected, seen = own.encode(text), theirs(text, add_special_tokens=False)["input_ids"]
    print(repr(text), "\n  SentencePiece:", own.encode(text, out_type=str), "\n  transformers: ", theirs.tokenize(text))
    differ.append(expected != seen)
expected = [False, True, True]
print("other tokens:", differ, "expected:", expected)
sys.exit(0 if differ == expected else 1)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" look.py
