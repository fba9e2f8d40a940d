"""Where tensors live. Today that is the processor's memory."""

from typing import Any

from jitgrad.errors import NoDeviceError, describe


def no_cuda(operation: str, came: str) -> NoDeviceError:
    """Return the error for something that needs CUDA."""
    return NoDeviceError(
        describe(
            operation,
            came,
            "this build has no CUDA support: tensors live on the cpu",
            'use device("cpu"), or "cuda" if torch.cuda.is_available() else "cpu"',
        )
    )


class device:
    """A place for tensors: `device("cpu")`. In a `with` block: where new tensors are made.

    Raises:
        RuntimeError: the device does not exist here, or is not known.
        TypeError: neither a string nor a number nor a device.

    >>> import jitgrad
    >>> jitgrad.device("cpu")
    device(type='cpu')
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int) and not isinstance(type, bool):
            # a number alone is that of an accelerator
            type = f"cuda:{type}"
        if not isinstance(type, str):
            came = f"a {type.__class__.__name__}"
            raise TypeError(describe("device", came, "it is made of a string", 'use "cpu"'))
        name, _, number = type.partition(":")
        if name == "cuda":
            raise no_cuda("device", repr(type))
        if name != "cpu":
            raise RuntimeError(describe("device", repr(type), "the only device is cpu"))
        if number and (index is not None or not number.isdecimal()):
            rule = "Invalid device string: the index is a number, and given once"
            raise RuntimeError(describe("device", repr(type), rule))
        self.type = name
        self.index = int(number) if number else index

    def __enter__(self) -> "device":
        # what is made inside is made where everything is made
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __repr__(self) -> str:
        where = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{where})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple:
        return device, (str(self),)


CPU = device("cpu")
