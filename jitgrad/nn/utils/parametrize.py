"""Parameters that are functions of other parameters.

A parametrized module becomes one of a class derived from its own, in which the parameter is a
property: reading it calls the parametrizations.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from jitgrad.autograd import no_grad
from jitgrad.errors import describe
from jitgrad.nn.modules.container import ModuleDict, ModuleList
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter, adopt
from jitgrad.tensor import Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

_cached_values: dict[tuple[int, str], Any] | None = None
"""Inside `cached`, what has been computed, by the id of the module and the name."""


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once inside a `with` block.

    Example:
        >>> import jitgrad as torch
        >>> from jitgrad.nn.utils import parametrize
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
        >>> with parametrize.cached():
        ...     layer.weight is layer.weight
        True
        >>> layer.weight is layer.weight
        False
    """
    global _cached_values
    outer = _cached_values
    if outer is None:
        _cached_values = {}
    try:
        yield
    finally:
        _cached_values = outer


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, called one after the other.

    Attributes:
        original: what the first one is called with; `original0`, `original1`, ... where its
            `right_inverse` returns several.
    """

    original: Tensor

    def __init__(
        self, modules: list[Module], original: Tensor | Parameter, unsafe: bool = False
    ) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        before = original.detach()
        made = self._inverted(original, NotImplementedError)
        self.is_tensor = isinstance(made, Tensor)
        self.ntensors = 1 if self.is_tensor else len(made)
        if not self.is_tensor:
            for number, each in enumerate(made):
                own = each.detach()
                if isinstance(original, Parameter):
                    own = Parameter(own, original.requires_grad)
                own_tensor(self, f"original{number}", own)
        else:
            # the same object, so that optimizers keep it
            own_tensor(self, "original", original)
            adopt(original, made.detach())
        if not unsafe:
            try:
                _check_like("forward", self(), before)
                if self.is_tensor:
                    _check_like("right_inverse", made, before)
            except Exception:
                adopt(original, before)
                raise

    def _inverted(self, value: Any, *unless: type[Exception]) -> Any:
        """Return what the parametrizations make `value` of, as far as they can say."""
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    # some cannot take a value, but can begin with whatever is there
                    with contextlib.suppress(*unless):
                        value = module.right_inverse(value)
        if isinstance(value, Tensor):
            return value
        if not isinstance(value, Sequence) or not all(isinstance(x, Tensor) for x in value):
            rule = "it must return a Tensor or a sequence of tensors"
            raise ValueError(describe("right_inverse", type(value).__name__, rule))
        return list(value)

    def _originals(self) -> list[Any]:
        return [*self._parameters.values(), *self._buffers.values()]

    def right_inverse(self, value: Tensor) -> None:
        """Change the originals so that the parametrized tensor becomes `value`.

        Raises:
            RuntimeError: a parametrization has no `right_inverse`.
        """
        for module in self:
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(
                    f"parametrization {type(module).__name__} does not implement right_inverse"
                )
        made = self._inverted(value)
        values = [made] if isinstance(made, Tensor) else made
        if len(values) != self.ntensors:
            came = f"{len(values)} tensors for {self.ntensors}"
            raise ValueError(describe("right_inverse", came, "their number must stay the same"))
        with no_grad():
            for original, new in zip(self._originals(), values):
                if not self.unsafe:
                    _check_like("right_inverse", new, original)
                adopt(original, new.detach().clone())

    def forward(self) -> Tensor:  # type: ignore[override]
        """Return the parametrized tensor."""
        values = self._originals()
        for module in self._modules.values():
            values = [module(*values)]
        return values[0]


def own_tensor(module: Module, name: str, value: Tensor) -> None:
    """Register `value` as a parameter or buffer of `module`, whichever it is."""
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _check_like(what: str, value: Any, original: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(
            f"A parametrization must return a tensor. Got {type(value).__name__} from {what}."
        )
    if value.dtype != original.dtype or value.shape != original.shape:
        raise ValueError(
            describe(
                f"parametrization {what}",
                f"shape {tuple(value.shape)} and {value.dtype}",
                f"they may not change: {tuple(original.shape)} and {original.dtype} before",
                "register it with unsafe=True",
            )
        )


def _property(name: str) -> property:
    """Return a property that calls the parametrizations of `name`."""

    def get(self: Any) -> Any:
        if _cached_values is None:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cached_values:
            _cached_values[key] = self.parametrizations[name]()
        return _cached_values[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def _reduce(self: Any, _protocol: Any) -> tuple:
    # classes made here have no name by which a pickle could find them
    return _rebuilt, (type_before_parametrizations(self), tuple(self.parametrizations)), vars(self)


def _rebuilt(base: type, names: tuple[str, ...]) -> Any:
    made: Any = _parametrized(base, names)
    return made.__new__(made)


@functools.cache
def _parametrized(base: type, names: tuple[str, ...]) -> type:
    """Return the class of modules of class `base` in which `names` are parametrized."""
    members: dict[str, Any] = {name: _property(name) for name in names}
    members |= {"__module__": base.__module__, "__reduce_ex__": _reduce, "_unparametrized": base}
    return type(f"Parametrized{base.__name__}", (base,), members)


def type_before_parametrizations(module: Module) -> type:
    """Return the class that `module` had before it was parametrized."""
    return getattr(type(module), "_unparametrized", type(module))


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Say whether `module` (or its tensor `tensor_name`) is parametrized."""
    found = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(found, ModuleDict) or type(module) is type_before_parametrizations(module):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let the parameter or buffer `tensor_name` of `module` be what `parametrization` returns.

    The parametrization is called with what was the parameter, which is
    `module.parametrizations.<name>.original` from now on. With a method `right_inverse` it says
    what that shall be for a given value; it may return several tensors then. A second one is
    called with what the first returns.

    Args:
        module: the owner.
        tensor_name: its parameter or buffer.
        parametrization: a module.
        unsafe: allow that shape or dtype change.

    Returns:
        `module`.

    Raises:
        ValueError: there is no such tensor, or its shape or dtype would change.

    Example:
        >>> import jitgrad as torch
        >>> class Symmetric(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).t()
        >>> layer = torch.nn.Linear(3, 3)
        >>> _ = torch.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
        >>> torch.equal(layer.weight, layer.weight.t())
        True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        _append(module, tensor_name, parametrization, unsafe)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
    made.train(module.training)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = made
    _set_class(module)
    return module


def _append(module: Any, name: str, parametrization: Any, unsafe: bool) -> None:
    before = getattr(module, name)
    made = module.parametrizations[name]
    if not unsafe:
        with no_grad():
            _check_like("forward", parametrization(before), before)
            if hasattr(parametrization, "right_inverse"):
                _check_like("right_inverse", parametrization.right_inverse(before), before)
    if hasattr(parametrization, "right_inverse"):
        with no_grad():
            made.right_inverse(parametrization.right_inverse(before))
    made.append(parametrization)
    made.unsafe = made.unsafe or unsafe


def _set_class(module: Any) -> None:
    names = tuple(module.parametrizations)
    module.__class__ = _parametrized(type_before_parametrizations(module), names)


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the parametrized tensor `tensor_name` an ordinary parameter or buffer again.

    Args:
        module: the owner.
        tensor_name: which tensor.
        leave_parametrized: keep the value that it has now; else that of `original`.

    Returns:
        `module`.

    Raises:
        ValueError: it is not parametrized, or there are several originals to go back to.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    made: Any = module.parametrizations[tensor_name]
    if not made.is_tensor and not leave_parametrized:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    originals = made._originals()
    original = originals[0]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach().clone()
        if made.is_tensor:
            # the same object, so that optimizers keep it
            adopt(original, value)
        elif isinstance(original, Parameter):
            original = Parameter(value, any(each.requires_grad for each in originals))
        else:
            original = value
    del module.parametrizations[tensor_name]
    _set_class(module)
    if len(module.parametrizations) == 0:
        module.__class__ = type_before_parametrizations(module)
        delattr(module, "parametrizations")
    own_tensor(module, tensor_name, original)
    return module
