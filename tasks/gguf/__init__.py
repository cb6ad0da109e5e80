"""GGUF, the file in which llama.cpp and Ollama keep a model: into a folder of safetensors, and out of one."""
