"""What subjects are asked, in which rounds, and how a process of its own (`tasks.sampler`) is told."""
