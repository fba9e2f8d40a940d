"""Traces of what a function did, the facts they rest on, and how they are replayed."""
