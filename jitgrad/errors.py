"""The words of errors: one form for all of them, in classes that PyTorch's users catch already.

A message names the operation and the argument, says what came in, the rule that it broke and
what to try. Shapes, dtypes and devices raise RuntimeError, positions IndexError, kinds of
argument TypeError, and values that are no choice ValueError, as PyTorch does.
"""

import os

import numpy as np

_FOLDERS = [os.path.dirname(each) for each in (__file__, np.__file__, os.__file__)]
_OURS = (*(folder + os.sep for folder in _FOLDERS), "<jitgrad ", "<frozen ", "<__array_function__")
"""What the names of files begin with that belong to us, and to what we call."""


class CompileError(RuntimeError):
    """What `fullgraph=True` raises where a function cannot be compiled as a whole."""


class VerificationError(RuntimeError):
    """What `jitgrad.verify` raises where native code and primitives give different results."""


class NoDeviceError(RuntimeError, AssertionError):
    """A device that is not here. PyTorch raises either of the two, depending on who asks."""


def is_interrupt(error: BaseException) -> bool:
    """Was an exception raised by a signal's handler, in the midst of our work?

    Ordinary ones are told by where they were raised: in code that is neither ours nor of what we
    call. Those that another thread has asked for (`PyThreadState_SetAsyncExc`) are not told so.
    """
    if not isinstance(error, Exception):
        return True
    entry = error.__traceback__
    if entry is None:
        return False
    while entry.tb_next is not None:
        entry = entry.tb_next
    return not entry.tb_frame.f_code.co_filename.startswith(_OURS)


def describe(operation: str, came: str, rule: str, remedy: str = "") -> str:
    """Return "operation: came in; rule; remedy" as one sentence.

    >>> describe("mm", "shapes (2, 3) and (4, 5)", "inner sizes must agree", "transpose one")
    'mm: got shapes (2, 3) and (4, 5); inner sizes must agree; transpose one'
    """
    text = f"{operation}: got {came}; {rule}"
    return f"{text}; {remedy}" if remedy else text
