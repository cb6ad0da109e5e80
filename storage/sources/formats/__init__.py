"""The formats that sources have, a file each."""
