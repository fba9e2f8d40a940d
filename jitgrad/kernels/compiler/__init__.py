"""Making machine code of kernels, with Numba, which only this package uses.

It is loaded when something has to be compiled: what is on disk is used without it.
"""
