"""The order of events: the recipe, the chain of steps, Prefect flows and the command line.

Imports tasks and Prefect, and the vocabulary of `storage`; holds no data logic.
"""
