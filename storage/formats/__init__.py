"""One small file a format: how its rows are told from others, read and, where it is exported, written."""
