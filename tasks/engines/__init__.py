"""Engines that sample text from a base model and its adapters, behind one interface.

Each is imported only inside the evaluating child process.
"""
