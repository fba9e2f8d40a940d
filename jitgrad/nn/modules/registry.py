"""What a module owns, and how it is found: parameters, buffers and submodules by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jitgrad.nn.modules.hooks import registered
from jitgrad.nn.parameter import Buffer, Parameter
from jitgrad.ops.convert import typename
from jitgrad.tensor import Tensor

KINDS = ("_parameters", "_buffers", "_modules")


class Registry:
    """Parameters, buffers and submodules, which are attributes and are in dicts of their own."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]

    # -- attributes -------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for kind in KINDS:
            # a module that is being unpickled has none of them yet
            found = own.get(kind)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter):
            self._take("_parameters", name)
            self.register_parameter(name, value)
        elif name in own.get("_parameters", ()):
            self._check_place("parameter", "torch.nn.Parameter", name, value, value is None)
            self.register_parameter(name, value)
        elif isinstance(value, Registry):
            self._take("_modules", name)
            self._modules[name] = registered("_modules", self, name, value)
        elif name in own.get("_modules", ()):
            self._check_place("child module", "torch.nn.Module", name, value, value is None)
            self._modules[name] = registered("_modules", self, name, value)
        elif isinstance(value, Buffer):
            self._take("_buffers", name)
            self.register_buffer(name, value, value.persistent)
        elif name in own.get("_buffers", ()):
            fits = value is None or isinstance(value, Tensor)
            self._check_place("buffer", "torch.nn.Buffer, torch.Tensor", name, value, fits)
            self._buffers[name] = registered("_buffers", self, name, value)
        else:
            object.__setattr__(self, name, value)

    @staticmethod
    def _check_place(what: str, expected: str, name: str, value: Any, fits: bool) -> None:
        """Check that `value` may stand in the place of what is registered as `name`."""
        if not fits:
            raise TypeError(
                f"cannot assign '{typename(value)}' as {what} '{name}' ({expected} or None "
                "expected)"
            )

    def _take(self, kind: str, name: str) -> None:
        """Let `name` be free for something that goes into the dict `kind`."""
        own = self.__dict__
        if kind not in own:
            what = {"_parameters": "parameters", "_buffers": "buffers", "_modules": "module"}[kind]
            raise self._too_early(what)
        own.pop(name, None)
        for other in KINDS:
            if other != kind:
                own[other].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _too_early(self, what: str) -> AttributeError:
        return AttributeError(
            f"cannot assign {what} before Module.__init__() call; call super().__init__() first "
            f"in {type(self).__name__}.__init__"
        )

    def __delattr__(self, name: str) -> None:
        for kind in KINDS:
            if name in self.__dict__.get(kind, ()):
                del self.__dict__[kind][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__}
        for kind in KINDS:
            names.update(self.__dict__[kind])
        return sorted(name for name in names if not name[0].isdigit())

    # -- registration -----------------------------------------------------------------------

    def _check_name(self, kind: str, what: str, name: Any) -> None:
        if kind not in self.__dict__:
            raise self._too_early(what)
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[kind]:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` the parameter `name`; None keeps the name without a parameter.

        Raises:
            KeyError: the name is empty, has a dot, or is that of another attribute.
            TypeError: `param` is no Parameter.
            ValueError: it has a history.
        """
        self._check_name("_parameters", "parameter", name)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must "
                    f"be created explicitly. To express '{name}' as a function of another Tensor, "
                    "compute the value in the forward() method."
                )
            param = registered("_parameters", self, name, param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` the buffer `name`: state that is no parameter, such as a running mean.

        Args:
            name: the attribute.
            tensor: the buffer; None keeps the name without one.
            persistent: whether it is in `state_dict`.

        Raises:
            KeyError: the name is empty, has a dot, or is that of another attribute.
            TypeError: `tensor` is no tensor.
        """
        self._check_name("_buffers", "buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        self._buffers[name] = registered("_buffers", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Any) -> None:
        """Make `module` the submodule `name`; None keeps the name without one.

        Raises:
            KeyError: the name is empty, has a dot, or is that of another attribute.
            TypeError: `module` is no Module.
        """
        if not isinstance(module, Registry) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name("_modules", "module", name)
        self._modules[name] = registered("_modules", self, name, module)

    def register_module(self, name: str, module: Any) -> None:
        """Make `module` the submodule `name`: another name of `add_module`."""
        self.add_module(name, module)

    # -- by dotted name ---------------------------------------------------------------------

    def get_submodule(self, target: str) -> Any:
        """Return the module that the dotted name `target` leads to; this one for "".

        Raises:
            AttributeError: there is none.
        """
        found: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(found, name):
                raise AttributeError(f"{type(found).__name__} has no attribute `{name}`")
            found = getattr(found, name)
            if not isinstance(found, Registry):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return found

    def set_submodule(self, target: str, module: Any, strict: bool = False) -> None:
        """Put `module` where the dotted name `target` leads.

        Args:
            target: for example "encoder.0.linear".
            module: the new one.
            strict: only replace what is there already.

        Raises:
            ValueError: `target` is empty, or `module` is no Module.
            AttributeError: the way there leads over something else than modules.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Registry):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        *way, name = target.split(".")
        parent = self.get_submodule(".".join(way))
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Registry):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter that the dotted name `target` leads to.

        Raises:
            AttributeError: there is none.
        """
        way, _, name = target.rpartition(".")
        owner = self.get_submodule(way)
        if not hasattr(owner, name):
            raise AttributeError(f"{type(owner).__name__} has no attribute `{name}`")
        found = getattr(owner, name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer that the dotted name `target` leads to.

        Raises:
            AttributeError: there is none.
        """
        way, _, name = target.rpartition(".")
        owner = self.get_submodule(way)
        if not hasattr(owner, name):
            raise AttributeError(f"{type(owner).__name__} has no attribute `{name}`")
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return owner._buffers[name]

    # -- one after the other ----------------------------------------------------------------

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yield this module and all below, each with its dotted name, parents first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def modules(self) -> Iterator[Any]:
        """Yield this module and all below, each once, parents first."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """Yield the submodules of this module itself, each once, with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Any]:
        """Yield the submodules of this module itself, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self,
        get_members_fn: Callable,
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        owners = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for way, module in owners:
            for name, value in get_members_fn(module):
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{way}.{name}" if way else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters with their dotted names; of submodules, too, if `recurse`."""
        yield from self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, each once; of submodules, too, if `recurse`."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the buffers with their dotted names; of submodules, too, if `recurse`."""
        yield from self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers, each once; of submodules, too, if `recurse`."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer
