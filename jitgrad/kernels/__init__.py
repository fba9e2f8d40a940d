"""Traces lowered to native code: fusion, emission of kernels, programs.

Only this package uses numba.
"""
