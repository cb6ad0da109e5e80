"""python adapters_in_vllm.py BASE PROMPT FOLDER…: the greedy words of the base and of each adapter, as a JSON list.

A process of its own: an engine gives its memory back only with the process.
"""

import json
import sys
from pathlib import Path


def main(base: str, prompt: str, folders: list[str]) -> None:
    import torch
    import vllm
    from vllm.lora.request import LoRARequest

    cuda = torch.cuda.is_available()
    ranks = [json.loads((Path(folder) / "adapter_config.json").read_text())["r"] for folder in folders]
    engine = vllm.LLM(
        base,
        max_model_len=256,
        enable_lora=True,
        max_loras=1,
        max_lora_rank=max(ranks),
        gpu_memory_utilization=0.3,
        dtype="float32",
        enforce_eager=True,
        **({} if cuda else {"block_size": 32}),
    )
    how = vllm.SamplingParams(temperature=0, max_tokens=24, ignore_eos=True)
    asked = [None, *(LoRARequest(folder, number, folder) for number, folder in enumerate(folders, start=1))]
    said = [engine.generate([prompt], how, lora_request=one, use_tqdm=False)[0].outputs[0].text for one in asked]
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
