"""Programs that are interpreted: slow, plain, and independent of the kernels."""

from __future__ import annotations

from typing import Any

from jitgrad.graph.verify import interpret


class ReferenceProgram:
    """Performs steps one by one with the primitives' NumPy implementations."""

    kernels: tuple = ()
    native_calls = 0
    compile_seconds = 0.0
    source = ""

    def __init__(self, steps: Any, inputs: Any, outputs: Any) -> None:
        self.steps = list(steps)
        self.inputs = list(inputs)
        self.outputs = list(outputs)

    def run(self, *given: Any) -> tuple:
        """Return the outputs for these inputs."""
        return interpret(self.steps, self.inputs, self.outputs, given)


def lower(steps: Any, inputs: Any, outputs: Any) -> ReferenceProgram:
    """Stand in for `jitgrad.kernels.program.lower`."""
    return ReferenceProgram(steps, inputs, outputs)
