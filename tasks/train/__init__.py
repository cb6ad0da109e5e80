"""train: a snapshot and a base model become an adapter."""
