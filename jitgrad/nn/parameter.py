"""Tensors that modules own: parameters, buffers, and those whose shape is not known yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.dispatch import require_grad
from jitgrad.errors import describe
from jitgrad.modes import state
from jitgrad.ops.create import empty
from jitgrad.printing import text_of
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


def adopt(target: Tensor, source: Tensor) -> None:
    """Let `target` show the memory of `source` from now on; its identity and history role stay.

    Unlike an assignment to `.data` this lends nothing: both count their changes together.
    """
    if state.recorder is not None:
        state.recorder.unknown("a tensor gets other memory")
    target._array, target._storage = source._array, source._storage


class Parameter(Tensor):
    """A tensor that a module registers as its parameter when it is assigned as an attribute.

    It shares the memory of `data`, without its history. What operations make of it are plain
    tensors.

    Args:
        data: the elements; by default an empty tensor.
        requires_grad: whether `backward` accumulates its gradient.

    Raises:
        TypeError: `data` is no tensor.
        RuntimeError: it shall require grad, but is not of a floating-point dtype.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.Parameter(torch.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Any:
        made = _sharing(cls, data)
        return made.requires_grad_() if requires_grad else made

    def __init__(self, *_args: Any, **_options: Any) -> None:
        """Do nothing: `__new__` has made the parameter, also where a subclass has its own."""

    def __repr__(self) -> str:
        return "Parameter containing:\n" + text_of(self)

    def __deepcopy__(self, memo: dict) -> Any:
        # as in PyTorch: a copy of a model begins without gradients
        made = super().__deepcopy__(memo)
        made._grad = None
        return made


class _BufferType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferType):
    """A tensor that a module registers as its buffer when it is assigned as an attribute.

    Buffers are state that is no parameter: running means, masks. They move with the module and,
    if `persistent`, are in its `state_dict`. What is made is a plain tensor with a mark, on the
    memory of `data`.

    Example:
        >>> import jitgrad as torch
        >>> module = torch.nn.Module()
        >>> module.steps = torch.nn.Buffer(torch.zeros(1))
        >>> [name for name, _ in module.named_buffers()]
        ['steps']
    """

    persistent: bool
    _is_buffer: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        made = _sharing(Tensor, data)
        made.persistent, made._is_buffer = persistent, True
        return made.requires_grad_(data is not None and data.requires_grad)


def _sharing(kind: type, data: Any) -> Any:
    """Return a tensor of class `kind` on the memory of `data`, without history."""
    if data is None:
        data = empty(0)
    if not isinstance(data, Tensor):
        raise TypeError(
            describe(
                kind.__name__,
                f"data of type {type(data).__name__}",
                "it is made of a tensor",
                "use torch.tensor(...) first",
            )
        )
    made = Tensor.__new__(kind)
    adopt(made, data)
    return made


class UninitializedTensorMixin(Tensor):
    """What parameters and buffers without a shape have in common.

    Attributes:
        pending: an empty tensor that says which dtype there will be.
        becomes: the class of what `materialize` makes of it.
    """

    pending: Tensor
    becomes: type

    def materialize(
        self, shape: Sequence[int], device: Any = None, dtype: DType | None = None
    ) -> None:
        """Become an ordinary parameter or buffer of `shape`; what it holds is not to be relied on.

        Example:
            >>> import jitgrad as torch
            >>> weight = torch.nn.UninitializedParameter()
            >>> weight.materialize((2, 3))
            >>> weight.shape, type(weight).__name__
            (torch.Size([2, 3]), 'Parameter')
        """
        kind = self.pending.dtype if dtype is None else dtype
        made = empty(tuple(shape), dtype=kind, device=device)
        del self.pending
        self.__class__ = self.becomes
        adopt(self, made)

    def __getattr__(self, name: str) -> Any:
        # operations and properties read the elements first, which are not there
        if name in ("_array", "_storage"):
            raise ValueError(
                "Attempted to use an uninitialized parameter or buffer. It gets its shape when "
                "the module that holds it is called for the first time: call that once with a "
                "sample input, or call materialize(shape)"
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def shape(self) -> Any:
        """Not there yet: RuntimeError."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    @property
    def dtype(self) -> DType:
        """The type that the elements will have."""
        return self.pending.dtype

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Make this accumulate gradients in `.grad` once it is there (or not); return it."""
        if not requires_grad:
            self._node = None
        elif not self.requires_grad:
            require_grad(self)
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict) -> Any:
        made = self._again(self.pending.clone())
        memo[id(self)] = made
        return made

    def _again(self, pending: Tensor) -> Any:
        """Return another one like this, which will have the dtype of `pending`."""
        raise NotImplementedError


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is not known before a first input is seen.

    Using it raises ValueError until `materialize` is called; lazy modules do that.
    """

    becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        made = Tensor.__new__(cls)
        made.pending = empty(0, device=device, dtype=dtype)
        if requires_grad:
            require_grad(made)
        return made

    def _again(self, pending: Tensor) -> Any:
        return type(self)(self.requires_grad, dtype=pending.dtype)

    def __reduce_ex__(self, _protocol: Any) -> tuple:
        return type(self), (self.requires_grad, None, self.dtype)


class UninitializedBuffer(UninitializedTensorMixin):
    """A buffer whose shape is not known before a first input is seen.

    Using it raises ValueError until `materialize` is called; lazy modules do that.
    """

    becomes = Tensor
    persistent: bool
    _is_buffer = True

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> Any:
        made = Tensor.__new__(cls)
        made.pending = empty(0, device=device, dtype=dtype)
        made.persistent = persistent
        if requires_grad:
            require_grad(made)
        return made

    def __init__(self, *_args: Any, **_options: Any) -> None:
        """Do nothing: `__new__` has made the buffer."""

    def _again(self, pending: Tensor) -> Any:
        return type(self)(self.requires_grad, dtype=pending.dtype, persistent=self.persistent)

    def __reduce_ex__(self, _protocol: Any) -> tuple:
        return type(self), (self.requires_grad, None, self.dtype, self.persistent)


def is_lazy(value: object) -> bool:
    """Say whether `value` is a parameter or buffer without a shape."""
    return isinstance(value, UninitializedTensorMixin)
