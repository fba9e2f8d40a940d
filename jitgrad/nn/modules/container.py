"""Modules that hold modules: one after the other, in a list, in a dictionary."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from jitgrad.errors import describe
from jitgrad.nn.modules.module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

Self = TypeVar("Self", bound="_Numbered")


def position(index: Any, length: int) -> int:
    """Return `index` counted from the front; IndexError if there is none such among `length`."""
    index = operator.index(index)
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of range")
    return index % length


class _Numbered(Module):
    """Modules in a row, named by their places."""

    def _some(self, index: slice) -> Any:
        """Return a container of the same kind with some of the modules."""
        raise NotImplementedError

    def _renumber(self, modules: list[Module]) -> None:
        self._modules = {str(number): module for number, module in enumerate(modules)}

    def _name(self, index: Any) -> str:
        return list(self._modules)[position(index, len(self))]

    def __getitem__(self, index: Any) -> Any:
        return self._some(index) if isinstance(index, slice) else self._modules[self._name(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name(index), module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self._modules.values())
        del modules[index if isinstance(index, slice) else position(index, len(self))]
        self._renumber(modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def append(self: Self, module: Module) -> Self:
        """Put `module` behind the others; return the container."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self: Self, index: int, module: Module) -> Self:
        """Put `module` before the one at `index`; return the container.

        Raises:
            IndexError: there is no such place.
        """
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        modules = list(self._modules.values())
        modules.insert(index, module)
        # as the last one first, so that what is no module changes nothing
        self.append(module)
        self._renumber(modules)
        return self

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Put `modules` behind the others; return the container.

        Raises:
            TypeError: they cannot be iterated.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, but got "
                f"{type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, key: int | slice = -1) -> Any:
        """Take the module at `key` away; return it."""
        found = self[key]
        del self[key]
        return found

    def __iadd__(self: Self, other: Iterable[Module]) -> Self:
        return self.extend(other)


class Sequential(_Numbered):
    """Modules called one after the other, each with the output of the one before.

    Args:
        args: the modules; or one dictionary of modules by name.

    Example:
        >>> import jitgrad as torch
        >>> network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Identity())
        >>> network(torch.ones(1, 2)).shape
        torch.Size([1, 3])
        >>> network[:1]
        Sequential(
          (0): Linear(in_features=2, out_features=3, bias=True)
        )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], Mapping)
        pairs = args[0].items() if named else ((str(n), each) for n, each in enumerate(args))
        for name, module in pairs:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Return what the last module makes of what the others made of `input`."""
        for module in self._modules.values():
            input = module(input)
        return input

    def _some(self, index: slice) -> Any:
        return type(self)(dict(list(self._modules.items())[index]))

    def __add__(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects of Sequential class, but "
                f"{type(other)} is given."
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects of Sequential class, but "
                f"{type(other)} is given."
            )
        return self.extend(other)

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*list(self) * self._times(other))

    __rmul__ = __mul__

    def __imul__(self, other: int) -> Sequential:
        return self.extend(list(self) * (self._times(other) - 1))

    @staticmethod
    def _times(other: Any) -> int:
        if not isinstance(other, int):
            raise TypeError(
                f"unsupported operand type(s) for *: {Sequential} and {type(other)}; give an int"
            )
        if other <= 0:
            raise ValueError(
                describe("Sequential", f"* {other}", "Non-positive multiplication factor")
            )
        return other


class ModuleList(_Numbered):
    """Modules in a list, registered so that their parameters are found.

    Example:
        >>> import jitgrad as torch
        >>> layers = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(3))
        >>> layers
        ModuleList(
          (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
        )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _some(self, index: slice) -> Any:
        return type(self)(list(self)[index])

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        groups: list[list] = []
        for number, module in enumerate(self):
            text = repr(module).replace("\n", "\n  ")
            if groups and groups[-1][2] == text:
                groups[-1][1] = number
            else:
                groups.append([number, number, text])
        if not groups:
            return f"{self._get_name()}()"
        lines = [
            f"({first}): {text}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in groups
        ]
        inner = "".join(f"\n  {line}" for line in lines)
        return f"{self._get_name()}({inner}\n)"


class ModuleDict(Module):
    """Modules in a dictionary, registered so that their parameters are found.

    Example:
        >>> import jitgrad as torch
        >>> choices = torch.nn.ModuleDict({"linear": torch.nn.Linear(2, 2)})
        >>> choices["none"] = torch.nn.Identity()
        >>> list(choices)
        ['linear', 'none']
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take all modules away."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take the module `key` away; return it."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        """Return the names."""
        return self._modules.keys()

    def items(self) -> Any:
        """Return names and modules."""
        return self._modules.items()

    def values(self) -> Any:
        """Return the modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Register the modules of a dictionary, or of pairs of name and module.

        Raises:
            TypeError, ValueError: they are no such pairs.
        """
        for key, module in pairs_of("ModuleDict", modules):
            self[key] = module


def pairs_of(kind: str, values: Any) -> list[tuple]:
    """Return the items of a mapping, or pairs, given to `update` of a `kind`.

    Raises:
        TypeError, ValueError: they are no such pairs.
    """
    if not isinstance(values, Iterable):
        raise TypeError(
            f"{kind}.update should be called with an iterable of key/value pairs, but got "
            f"{type(values).__name__}"
        )
    pairs: Any = values
    pairs = pairs.items() if hasattr(pairs, "items") else pairs
    made = []
    for number, pair in enumerate(pairs):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{kind} update sequence element #{number} should be Iterable; is "
                f"{type(pair).__name__}"
            )
        each = tuple(pair)
        if len(each) != 2:
            raise ValueError(
                f"{kind} update sequence element #{number} has length {len(each)}; 2 is required"
            )
        made.append(each)
    return made
