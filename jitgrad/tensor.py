"""The tensor: data and history, with every operation as a method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jitgrad import engine
from jitgrad.device import CPU, device
from jitgrad.dispatch import (
    TensorCore,
    node_of,
    register_tensor_class,
    require_grad,
    wrap,
)
from jitgrad.dtypes import FROM_NUMPY, dtype
from jitgrad.errors import describe
from jitgrad.modes import state
from jitgrad.node import AccumulateGrad, Hook, HookHandle, Node
from jitgrad.ops.legacy import legacy
from jitgrad.ops.methods import OperationMethods
from jitgrad.ops.rows import RowIterator
from jitgrad.pickling import PicklingMethods
from jitgrad.printing import text_of
from jitgrad.spec import Size
from jitgrad.storage import Storage


class Tensor(TensorCore, OperationMethods, PicklingMethods):
    """An array of numbers of one dtype that remembers how it was computed, as PyTorch's.

    Make one with `jitgrad.tensor`, `zeros`, `randn`, `from_numpy` and their kin.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """

    __array_priority__ = 1000

    def __init__(self, *data: Any, device: device | str | None = None) -> None:
        """Make a tensor of the default dtype from data, or of given sizes (then of any content).

        `Tensor([1, 2])` holds 1 and 2, `Tensor(1, 2)` has the shape (1, 2). Prefer `tensor`,
        `zeros`, `empty`. Operations make their results without coming here.
        """
        if not hasattr(self, "_array"):
            made = legacy("Tensor", data, device)
            self._array, self._storage = made._array, made._storage

    # -- what it is -------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return Size(self._array.shape)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of dimension `dim`."""
        return Size(self._array.shape) if dim is None else self._array.shape[dim]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    @property
    def dtype(self) -> dtype:
        """The type of the elements."""
        return FROM_NUMPY[self._array.dtype]

    @property
    def device(self) -> device:
        """Where the elements are: the cpu."""
        return CPU

    # -- history ----------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Does this tensor take part in autograd?"""
        return node_of(self) is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Make this leaf accumulate gradients in `.grad` (or not); return it.

        Raises:
            RuntimeError: not a floating-point tensor, or not a leaf.
        """
        node = node_of(self)
        if requires_grad and node is None:
            if self._array.dtype.kind not in "fc":
                raise RuntimeError(
                    describe(
                        "requires_grad_",
                        f"a tensor of {self.dtype}",
                        "only Tensors of floating point and complex dtype can require gradients",
                        "convert it with .float()",
                    )
                )
            require_grad(self)
        elif not requires_grad and node is not None:
            if not isinstance(node, AccumulateGrad):
                raise RuntimeError(
                    "requires_grad_: you can only change requires_grad flags of leaf variables; "
                    "use detach() to cut this tensor off from its history"
                )
            self._node = None
        return self

    @property
    def is_leaf(self) -> bool:
        """Was this tensor made by the user, not by a recorded operation?"""
        node = node_of(self)
        return node is None or isinstance(node, AccumulateGrad)

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor; None for a leaf."""
        node = node_of(self)
        return None if isinstance(node, AccumulateGrad) else node

    @property
    def output_nr(self) -> int:
        """Which output of `grad_fn` this is."""
        return self._index

    @property
    def _version(self) -> int:
        return self._storage.version

    @property
    def grad(self) -> Tensor | None:
        """The gradient accumulated by `backward`; None before the first."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    describe("grad", type(value).__name__, "assigned grad must be a Tensor or None")
                )
            if value._array.shape != self._array.shape or value._array.dtype != self._array.dtype:
                raise RuntimeError(
                    describe(
                        "grad",
                        f"a gradient of shape {tuple(value.shape)} and {value.dtype}",
                        f"it must have the tensor's, {tuple(self.shape)} and {self.dtype}",
                    )
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | Tensor | None = None,
    ) -> None:
        """Add to `.grad` of the leaves the gradients of this tensor.

        Args:
            gradient: the cotangent, of this tensor's shape; may be left out for one element.
            retain_graph: keep what was saved for another backward pass.
            create_graph: record the gradients, so that they can be differentiated.
            inputs: only these tensors' `.grad`.

        Raises:
            RuntimeError: not a scalar and no `gradient`; nothing requires grad; the graph is
                freed; a saved tensor was changed in place.
        """
        chosen = (inputs,) if isinstance(inputs, Tensor) else inputs
        engine.backward((self,), (gradient,), retain_graph, create_graph, chosen)

    def detach(self) -> Tensor:
        """Return a tensor on the same memory without history."""
        return wrap(self._array, self._storage)

    def detach_(self) -> Tensor:
        """Cut this tensor off from its history; return it."""
        if self._base is not None:
            raise RuntimeError("detach_: can't detach views in-place; use detach() instead")
        if state.recorder is not None:
            state.recorder.unknown("detach_")
        self._node, self._index = None, 0
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without history, and with a version counter of its own."""
        storage = Storage(self._storage.array, self._storage.borrowed)
        self._storage.lend()
        storage.lent = True
        return wrap(self._array, storage)

    @data.setter
    def data(self, value: Tensor) -> None:
        if state.recorder is not None:
            state.recorder.unknown("assignment to .data")
        value._storage.lend()
        version = self._storage.version
        self._array, self._storage = value._array, Storage(value._storage.array)
        self._storage.lent, self._storage.version = True, version

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Any:
        """Call `hook` with the gradient of this tensor; what it returns, if anything, replaces it.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        node = node_of(self)
        if node is None:
            raise RuntimeError(
                "register_hook: cannot register a hook on a tensor that doesn't require gradient"
            )
        if state.recorder is not None:
            state.recorder.unknown("register_hook")
        return HookHandle(node, Hook(self._index, hook))

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Any:
        """Call `hook` with this leaf whenever a backward pass has added to its `.grad`.

        So the gradient can be used and freed before those of others are there.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: the tensor does not require grad, or is no leaf.
            TypeError: in a backward pass, the hook returned anything but None.

        Example:
            >>> import jitgrad as torch
            >>> w = torch.tensor(3.0, requires_grad=True)
            >>> def step(w):
            ...     with torch.no_grad():
            ...         w -= 0.5 * w.grad
            ...     w.grad = None
            >>> handle = w.register_post_accumulate_grad_hook(step)
            >>> (w * w).backward()
            >>> w
            tensor(0., requires_grad=True)
        """
        node = node_of(self)
        if node is None:
            raise RuntimeError(
                "register_post_accumulate_grad_hook: cannot register a hook on a tensor that "
                "doesn't require gradient"
            )
        if not isinstance(node, AccumulateGrad):
            raise RuntimeError(
                "register_post_accumulate_grad_hook: post accumulate grad hooks cannot be "
                "registered on non-leaf tensors; use register_hook"
            )
        if state.recorder is not None:
            state.recorder.unknown("register_post_accumulate_grad_hook")
        return HookHandle(node, Hook(AccumulateGrad.AFTER, hook))

    def retain_grad(self) -> None:
        """Keep `.grad` for this tensor although it is not a leaf."""
        node = node_of(self)
        if node is None:
            raise RuntimeError(
                "retain_grad: can't retain_grad on Tensor that has requires_grad=False"
            )
        if isinstance(node, AccumulateGrad) or self._retains_grad:
            return
        self._retains_grad = True

        def retain(cotangent: Tensor) -> None:
            self._grad = (
                cotangent.detach().clone() if self._grad is None else self._grad + cotangent
            )

        if state.recorder is not None:
            state.recorder.unknown("retain_grad")
        HookHandle(node, Hook(self._index, retain, is_last=True))

    @property
    def retains_grad(self) -> bool:
        """Has `retain_grad` been called on this non-leaf?"""
        return self._retains_grad

    # -- NumPy and Python -------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """Return the elements as a NumPy array on the same memory.

        Raises:
            RuntimeError: the tensor requires grad (unless `force`).
        """
        if node_of(self) is not None and not force:
            raise RuntimeError(
                "numpy: Can't call numpy() on Tensor that requires grad. "
                "Use tensor.detach().numpy() instead."
            )
        if state.recorder is not None:
            state.recorder.unknown("numpy()")
        self._storage.lend()
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_wrap__(self, array: Any, _context: Any = None, _scalar: bool = False) -> Tensor:
        # NumPy's functions of tensors give tensors, without history
        return wrap(np.asarray(array))

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers; a number for a 0-d tensor."""
        if state.recorder is not None:
            state.recorder.unknown("tolist()")
        return self._array.tolist()

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises:
            RuntimeError: there is not exactly one element.
        """
        if self._array.size != 1:
            raise RuntimeError(
                f"item: a Tensor with {self._array.size} elements cannot be converted to Scalar; "
                "use tolist(), or reduce it first"
            )
        if state.recorder is not None:
            return state.recorder.item(self)  # type: ignore[attr-defined]
        return self._array.item()

    def __bool__(self) -> bool:
        if self._array.size != 1:
            what = "no values" if not self._array.size else "more than one value"
            raise RuntimeError(
                f"bool: Boolean value of Tensor with {what} is ambiguous; use any() or all()"
            )
        if state.recorder is not None:
            return state.recorder.truth_of(self)  # type: ignore[attr-defined]
        return bool(self._array.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self._array.dtype.kind not in "iub" or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self._array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self._array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return RowIterator(self)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return text_of(self)

    def __format__(self, spec: str) -> str:
        if not self._array.ndim:
            return self.item().__format__(spec)
        return object.__format__(self, spec)


register_tensor_class(Tensor)
