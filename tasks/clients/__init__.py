"""Calls over HTTP, whoever makes them: how many at once, how fast, how long, what came back and what went wrong."""
