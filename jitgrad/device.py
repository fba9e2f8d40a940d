"""Where tensors live. Today that is the processor's memory."""

from typing import Any

from jitgrad.errors import describe


class device:
    """A place for tensors: `device("cpu")`.

    Raises:
        RuntimeError: the device does not exist here, or is not known.

    >>> import jitgrad
    >>> jitgrad.device("cpu")
    device(type='cpu')
    """

    __slots__ = ("index", "type")

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        name, _, number = str(type).partition(":")
        if name == "cuda":
            raise RuntimeError(
                describe(
                    "device",
                    repr(type),
                    "this build has no CUDA support: tensors live on the cpu",
                    'use device("cpu"), or "cuda" if torch.cuda.is_available() else "cpu"',
                )
            )
        if name != "cpu":
            raise RuntimeError(describe("device", repr(type), "the only device is cpu"))
        self.type = name
        self.index = int(number) if number else index

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
