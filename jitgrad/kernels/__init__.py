"""Traces lowered to native code: fusion, emission of kernels, programs.

Only this package uses llvmlite, and only `compiler` in it numba.
"""
