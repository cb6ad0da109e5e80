"""What the trainer's child process is made of: tokens and checkpoints are light, `sft` and `canary` import torch."""
