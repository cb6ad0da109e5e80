"""assemble: questions and rationales, or dialogues, become a snapshot to train on."""
