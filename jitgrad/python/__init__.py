"""Ordinary Python functions as register code, and the machine that evaluates it over real values.

`lower` turns a function into register code (`code`), `evaluate` runs it, `operations` performs
what the code asks of the world. Nothing here knows of tensors: who wants to watch a run subclasses
`Operations`.
"""
