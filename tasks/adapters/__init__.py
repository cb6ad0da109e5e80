"""What becomes of adapters: imported, exported, described, promoted, measured again."""
