"""Benchmarks: workloads written once, run by several subjects. ``python -m bench --help``."""
