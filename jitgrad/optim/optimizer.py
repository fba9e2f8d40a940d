"""What all optimizers share: groups of parameters, their state, its dict, hooks around steps."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.autograd.grad_mode import no_grad
from jitgrad.dispatch import wrap
from jitgrad.errors import describe
from jitgrad.nn.modules.hooks import RemovableHandle
from jitgrad.ops.foreach import _foreach_zero_
from jitgrad.optim.checks import scalar_dtype
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]

__all__ = ["Optimizer"]

HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


def _with_hooks(step: Callable) -> Callable:
    """Return `step` so that the hooks of its optimizer run around it."""

    @functools.wraps(step)
    def stepping(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._optimizer_step_pre_hooks:
            args, kwargs = self._before_step(args, kwargs)
        made = step(self, *args, **kwargs)
        if self._optimizer_step_post_hooks:
            for hook in self._optimizer_step_post_hooks.values():
                hook(self, args, kwargs)
        self._opt_called = True
        return made

    return stepping


class Optimizer:
    """The base of all optimizers: changes parameters in place by their gradients, `step` by step.

    A class of your own calls `super().__init__(params, defaults)` and defines `step`.

    Args:
        params: an iterable of tensors, of pairs of a name and a tensor, or of dicts: groups of
            parameters with options of their own.
        defaults: the options of groups that do not say otherwise.

    Attributes:
        param_groups: the groups, dicts with "params" and all options. Options may be changed at
            any time.
        state: for each parameter a dict with what the optimizer remembers of it.

    Example:
        >>> import jitgrad as torch
        >>> class Descent(torch.optim.Optimizer):
        ...     def __init__(self, params, lr):
        ...         super().__init__(params, {"lr": lr})
        ...
        ...     @torch.no_grad()
        ...     def step(self):
        ...         for group in self.param_groups:
        ...             for each in group["params"]:
        ...                 each -= group["lr"] * each.grad
        >>> x = torch.tensor([3.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> Descent([x], lr=0.25).step()
        >>> x
        tensor([1.5000], requires_grad=True)
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hooks()
        if isinstance(params, Tensor):
            raise TypeError(
                describe(
                    type(self).__name__,
                    f"a {type(params).__name__}",
                    "params argument given to the optimizer should be an iterable of Tensors or "
                    "dicts",
                    "pass a list",
                )
            )
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        given: list[Any] = list(params)
        if not given:
            raise ValueError(
                f"{type(self).__name__}: optimizer got an empty parameter list; does the module "
                "have parameters, and was the generator used before?"
            )
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(dict(group) if isinstance(group, dict) else group)

    def _make_hooks(self) -> None:
        for name in HOOKS:
            self.__dict__.setdefault(name, {})

    _opt_called = False
    """Has there been a step? Schedulers ask, to tell the wrong order."""

    # -- groups -----------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimize the parameters of `param_group`, too: a dict with "params" and options.

        Raises:
            TypeError: not a dict, parameters in a set, or something else than tensors.
            ValueError: a tensor with history, a parameter of another group, an option that is
                required and missing, names for some parameters only.
        """
        if not isinstance(param_group, dict):
            raise TypeError(
                f"{type(self).__name__}: param_group must be a dict, but got {type(param_group)}"
            )
        group = self._checked_group(param_group)
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            group.setdefault(name, default)
        params = group["params"]
        if len({id(each) for each in params}) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; each is updated "
                "several times in a step",
                stacklevel=3,
            )
        named = "param_names" in group
        if self.param_groups and named != ("param_names" in self.param_groups[0]):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if named else 'without'} names to the optimizer"
            )
        known = {id(each) for other in self.param_groups for each in other["params"]}
        if not known.isdisjoint(map(id, params)):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(group)

    def _checked_group(self, param_group: dict[str, Any]) -> dict[str, Any]:
        """Return the group with its parameters in a list, and their names in another."""
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        given = [given] if isinstance(given, Tensor) else list(given)
        named = [isinstance(each, tuple) for each in given]
        if any(named) and not all(named):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        group = {**param_group, "params": [each[1] for each in given] if any(named) else given}
        if any(named):
            group["param_names"] = [each[0] for each in given]
        for each in group["params"]:
            if not isinstance(each, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    f"{type(each).__name__}"
                )
            if not self.defaults.get("differentiable") and not (each.is_leaf or each.retains_grad):
                raise ValueError(
                    describe(
                        type(self).__name__,
                        f"a result of {each.grad_fn}",
                        "can't optimize a non-leaf Tensor",
                        "pass the tensor that it was computed from, or detach() it",
                    )
                )
        return group

    # -- steps ------------------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Args:
            set_to_none: let `.grad` be None; else the gradients stay and become 0.
        """
        gradients = []
        for group in self.param_groups:
            for each in group["params"]:
                if each.grad is not None:
                    if set_to_none:
                        each.grad = None
                    else:
                        gradients.append(_without_history(each.grad))
        if gradients:
            with no_grad():
                _foreach_zero_(gradients)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by their gradients; classes define it.

        Args:
            closure: computes the loss and its gradients anew.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def _before_step(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        for hook in self._optimizer_step_pre_hooks.values():
            changed = hook(self, args, kwargs)
            if changed is None:
                continue
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise RuntimeError(
                    f"{hook} must return None or a tuple of (new_args, new_kwargs), but got "
                    f"{changed}."
                )
            args, kwargs = changed
        return args, kwargs

    # -- hooks ------------------------------------------------------------------------------

    _optimizer_step_pre_hooks: dict[int, Callable]
    _optimizer_step_post_hooks: dict[int, Callable]

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return others for both."""
        return RemovableHandle(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return RemovableHandle(self._optimizer_step_post_hooks, hook)

    def _register(self, name: str, hook: Callable, prepend: bool) -> RemovableHandle:
        return RemovableHandle(self.__dict__[name], hook, prepend)

    def register_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return self._register("_optimizer_state_dict_pre_hooks", hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may return another one."""
        return self._register("_optimizer_state_dict_post_hooks", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; it may return another dict."""
        return self._register("_optimizer_load_state_dict_pre_hooks", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after `load_state_dict`."""
        return self._register("_optimizer_load_state_dict_post_hooks", hook, prepend)

    def _filtered(self, name: str, state_dict: dict[str, Any]) -> dict[str, Any]:
        """Return `state_dict` after the hooks `name` have had their say."""
        for hook in self.__dict__[name].values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        return state_dict

    # -- state as a dict --------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state and the options, with numbers in place of parameters.

        The tensors in it are those of the optimizer, not copies.
        """
        for hook in self.__dict__["_optimizer_state_dict_pre_hooks"].values():
            hook(self)
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            for each in group["params"]:
                numbers.setdefault(id(each), len(numbers))
        groups = [
            {
                **{name: value for name, value in group.items() if name != "params"},
                "params": [numbers[id(each)] for each in group["params"]],
            }
            for group in self.param_groups
        ]
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        found = {"state": state, "param_groups": groups}
        return self._filtered("_optimizer_state_dict_post_hooks", found)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned, here or in PyTorch.

        Parameters are recognized by their order. Tensors (PyTorch's and NumPy's, too) take on the
        dtype of their parameter; those that have it already are not copied.

        Raises:
            ValueError: another number of groups, or of parameters in a group; nothing is changed
                then.
        """
        state_dict = self._filtered("_optimizer_load_state_dict_pre_hooks", dict(state_dict))
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved)}, not {len(self.param_groups)}"
            )
        groups = []
        for own, other in zip(self.param_groups, saved):
            if len(own["params"]) != len(other["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    f"optimizer's group: {len(other['params'])} parameters, not "
                    f"{len(own['params'])}"
                )
            options = {
                name: _adapted(deepcopy(each), None)
                for name, each in other.items()
                if name != "params"
            }
            if "param_names" in own:
                options.setdefault("param_names", own["param_names"])
            groups.append({**options, "params": own["params"]})
        numbers = itertools.chain.from_iterable(group["params"] for group in saved)
        params = itertools.chain.from_iterable(group["params"] for group in groups)
        places = dict(zip(numbers, params))
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            param = places.get(key)
            state[key if param is None else param] = _adapted(value, param)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self.__dict__["_optimizer_load_state_dict_post_hooks"].values():
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_hooks()
        # what older versions wrote lacks later options, and counts steps in Python
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)
        for value in self.state.values():
            count = value.get("step") if isinstance(value, dict) else None
            if isinstance(count, (int, float)):
                value["step"] = wrap(np.asarray(count, scalar_dtype()))

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for number, group in enumerate(self.param_groups):
            options = sorted(name for name in group if name != "params")
            lines = (f"    {name}: {group[name]}\n" for name in options)
            text += f"\nParameter Group {number}\n{''.join(lines)}"
        return text + ")"


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required: Any = _Required()
"""In `defaults`: an option that each group has to give."""


def _without_history(gradient: Tensor) -> Tensor:
    return gradient.requires_grad_(False) if gradient.is_leaf else gradient.detach_()


def _adapted(value: Any, param: Any, name: str = "") -> Any:
    """Return a value of a state dict in the dtype of its parameter."""
    if isinstance(value, dict):
        return {key: _adapted(each, param, key) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_adapted(each, param) for each in value)
    if not isinstance(value, Tensor):
        if not hasattr(value, "__array__") or not hasattr(value, "shape"):
            return value
        # not np.array, with which PyTorch's tensors are not on good terms
        value = wrap(value.__array__().copy())
    if param is None or name == "step" or not param.dtype.is_floating_point:
        return value
    if not value.ndim and param.ndim:
        # a single number, such as a product of momenta, which is kept as precisely as it was
        return value
    return value.to(param.dtype)
