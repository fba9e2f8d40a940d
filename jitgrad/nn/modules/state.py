"""The state of modules as a dictionary, and back."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jitgrad.autograd import no_grad
from jitgrad.nn.modules.hooks import RemovableHandle
from jitgrad.nn.modules.registry import Registry
from jitgrad.nn.parameter import Parameter, is_lazy
from jitgrad.tensor import Tensor

EXTRA_STATE = "_extra_state"


class _IncompatibleKeys(NamedTuple):
    """What `load_state_dict` did not find, and what it did not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )

    __str__ = __repr__


class Stateful(Registry):
    """A module's state as a dictionary."""

    _version: int = 1
    """Raise it when the names or the meaning of the state change; it is kept in state dicts."""

    _state_dict_hooks: dict[int, tuple[Callable, bool]]
    _state_dict_pre_hooks: dict[int, Callable]
    _load_state_dict_pre_hooks: dict[int, tuple[Callable, bool]]
    _load_state_dict_post_hooks: dict[int, Callable]

    # -- to a dictionary --------------------------------------------------------------------

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Return parameters and persistent buffers by their dotted names.

        They are not copied: what the module does to its parameters is seen in the dictionary.

        Args:
            args: `destination`, `prefix`, `keep_vars` by position, as programs once wrote them.
            destination: the dictionary to add to; by default a new one.
            prefix: what to put before each name.
            keep_vars: give the parameters themselves, not tensors without history.

        Example:
            >>> import jitgrad as torch
            >>> list(torch.nn.Linear(2, 1).state_dict())
            ['weight', 'bias']
        """
        if args:
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()  # type: ignore[attr-defined]
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook, may_replace in list(self._state_dict_hooks.values()):
            made = hook(self, destination, prefix, metadata)
            if made is None:
                continue
            if not may_replace:
                raise RuntimeError("state_dict post-hook must return None")
            destination = made
        return destination

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        """Put the state of this module itself, without its submodules, into `destination`."""
        for name, value in self._own_state().items():
            destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()
        if self._has_extra_state("get_extra_state"):
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        every = itertools.chain(self._parameters.items(), self._buffers.items())
        return {
            name: value
            for name, value in every
            if value is not None and name not in self._non_persistent_buffers_set
        }

    def _has_extra_state(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Stateful, method)

    def get_extra_state(self) -> Any:
        """Return what else belongs to the state; derived classes define it with `set_extra_state`.

        Raises:
            RuntimeError: it is not defined.
        """
        raise RuntimeError(
            f"{type(self).__name__}.get_extra_state() is not defined: define it together with "
            "set_extra_state() to keep more than tensors in state dicts"
        )

    def set_extra_state(self, state: Any) -> None:
        """Take over what `get_extra_state` has returned.

        Raises:
            RuntimeError: it is not defined.
        """
        raise RuntimeError(
            f"{type(self).__name__}.set_extra_state() is not defined: define it together with "
            "get_extra_state() to keep more than tensors in state dicts"
        )

    # -- from a dictionary ------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy parameters and buffers from `state_dict`, into the memory of this module's.

        Args:
            state_dict: tensors by their dotted names.
            strict: raise where names are missing or unknown.
            assign: take the tensors themselves, with their dtypes, instead of copying them.

        Returns:
            The names `missing_keys` and `unexpected_keys`.

        Raises:
            TypeError: `state_dict` is no dictionary.
            RuntimeError: names are missing or unknown (if `strict`), or shapes differ. What
                fits has been loaded, as in PyTorch.

        Example:
            >>> import jitgrad as torch
            >>> one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
            >>> other.load_state_dict(one.state_dict())
            <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        loading = _Loading(getattr(state_dict, "_metadata", None), assign)
        loading.load(self, OrderedDict(state_dict), "")
        keys, errors = loading.keys, loading.errors
        if strict:
            for what, names in ("Unexpected", keys.unexpected_keys), ("Missing", keys.missing_keys):
                if names:
                    listed = ", ".join(f'"{name}"' for name in names)
                    errors.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if errors:
            found = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{found}"
            )
        return keys

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load the state of this module itself; derived classes may translate older versions."""
        for hook, with_module in list(self._load_state_dict_pre_hooks.values()):
            hook(
                *((self,) if with_module else ()),
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        own = self._own_state()
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, value in own.items():
            key = prefix + name
            if key in state_dict:
                problem = self._load_one(key, name, value, state_dict[key], assign)
                if problem:
                    error_msgs.append(problem)
            elif strict:
                missing_keys.append(key)
        extra_key = prefix + EXTRA_STATE
        if self._has_extra_state("set_extra_state"):
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if strict:
            unexpected_keys.extend(
                key
                for key in state_dict
                if key.startswith(prefix)
                and key != extra_key
                and not self._knows(key.removeprefix(prefix), own)
            )

    def _knows(self, key: str, own: dict) -> bool:
        first, dot, _ = key.partition(".")
        return first in self._modules if dot else first in own

    def _load_one(self, key: str, name: str, own: Tensor, other: Any, assign: bool) -> str:
        """Load one tensor; return what is wrong with it, "" if nothing is."""
        if not isinstance(other, Tensor):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
                f"object from checkpoint but received {type(other)}"
            )
        if is_lazy(own) or is_lazy(other):
            if is_lazy(own) and is_lazy(other):
                return ""
            where = "the model" if is_lazy(own) else "the checkpoint"
            return (
                f'While copying the parameter named "{key}": it is uninitialized in {where}; call '
                "that model once first, so that it gets its shape"
            )
        if own.ndim == 0 and tuple(other.shape) == (1,):
            # numbers were tensors of one element in PyTorch's early days
            other = other[0]
        if other.shape != own.shape:
            return (
                f"size mismatch for {key}: copying a param with shape {other.shape} from "
                f"checkpoint, the shape in current model is {own.shape}."
            )
        try:
            with no_grad():
                if assign:
                    setattr(self, name, _for_place_of(own, other))
                else:
                    own.copy_(other)
        except Exception as error:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{own.size()} and whose dimensions in the checkpoint are {other.size()}, "
                f"an exception occurred : {error.args}."
            )
        return ""

    # -- hooks ------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before `state_dict` collects this module's."""
        return RemovableHandle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)`, which may change the dict."""
        return RemovableHandle(self._state_dict_hooks, (hook, False))

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        return RemovableHandle(self._state_dict_hooks, (hook, True))

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook` before this module's own state is loaded.

        It gets `(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`, and may change the dict and the lists.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable, with_module: bool = False
    ) -> RemovableHandle:
        return RemovableHandle(self._load_state_dict_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after loading; it may change the two lists."""
        return RemovableHandle(self._load_state_dict_post_hooks, hook)


def _for_place_of(own: Tensor, other: Tensor) -> Tensor:
    """Return what is assigned in place of `own`: `other`, as a parameter if `own` is one."""
    if not isinstance(own, Parameter):
        return other
    if isinstance(other, Parameter):
        return other.requires_grad_(own.requires_grad)
    return Parameter(other, requires_grad=own.requires_grad)


class _Loading:
    """One `load_state_dict` on its way down the modules."""

    def __init__(self, metadata: Any, assign: bool) -> None:
        self.metadata, self.assign = metadata or {}, assign
        self.keys = _IncompatibleKeys([], [])
        self.errors: list[str] = []

    def load(self, module: Any, state_dict: Any, prefix: str) -> None:
        local = dict(self.metadata.get(prefix[:-1], {}))
        if self.assign:
            local["assign_to_params_buffers"] = True
        missing, unexpected = self.keys
        module._load_from_state_dict(
            state_dict, prefix, local, True, missing, unexpected, self.errors
        )
        for name, child in module._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                part = {key: value for key, value in state_dict.items() if key.startswith(below)}
                self.load(child, part, below)
        for hook in list(module._load_state_dict_post_hooks.values()):
            if hook(module, self.keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected "
                    "to return new values, if incompatible_keys need to be modified, it should be "
                    "done inplace."
                )
