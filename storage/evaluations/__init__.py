"""Evaluations that other tools wrote, read into one form: `load("results/")` says whose they are and what is in them.

One module a tool, each told by signs that no other tool's files have. Reads files and nothing else; judges nothing.
"""
