"""The words of errors: one form for all of them, in classes that PyTorch's users catch already.

A message names the operation and the argument, says what came in, the rule that it broke and
what to try. Shapes, dtypes and devices raise RuntimeError, positions IndexError, kinds of
argument TypeError, and values that are no choice ValueError, as PyTorch does.
"""


class CompileError(RuntimeError):
    """What `fullgraph=True` raises where a function cannot be compiled as a whole."""


class VerificationError(RuntimeError):
    """What `jitgrad.verify` raises where native code and primitives give different results."""


class NoDeviceError(RuntimeError, AssertionError):
    """A device that is not here. PyTorch raises either of the two, depending on who asks."""


def describe(operation: str, came: str, rule: str, remedy: str = "") -> str:
    """Return "operation: came in; rule; remedy" as one sentence.

    >>> describe("mm", "shapes (2, 3) and (4, 5)", "inner sizes must agree", "transpose one")
    'mm: got shapes (2, 3) and (4, 5); inner sizes must agree; transpose one'
    """
    text = f"{operation}: got {came}; {rule}"
    return f"{text}; {remedy}" if remedy else text
