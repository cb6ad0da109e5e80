"""A server of base and adapters: an engine as a supervised child, and before it the front that clients talk to."""
