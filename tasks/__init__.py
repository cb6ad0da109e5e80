"""One verb a file, its spec beside it: each builds a `Step` that `tasks.runtime.step` runs or finds done.

Imports prompts, puzzles, storage and evals; never flows, Prefect or another verb.
torch, transformers, trl, peft and vllm enter only inside child processes.
"""
