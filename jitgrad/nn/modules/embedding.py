"""Tables of vectors that are learnt, looked up by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn import init
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter
from jitgrad.ops.create import empty

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """The vectors, and what their look-ups have in common.

    Attributes:
        shown: what stands in the text of the module where it differs from the usual value.
    """

    shown: ClassVar[dict[str, Any]] = {}
    weight: Any

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
        weight: Tensor | None,
        frozen: bool,
        **made: Any,
    ) -> None:
        super().__init__()
        name = self._get_name()
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                rule = "Padding_idx must be within num_embeddings"
                raise AssertionError(describe(name, f"padding_idx={padding_idx}", rule))
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if weight is None:
            self.weight = Parameter(empty((num_embeddings, embedding_dim), **made), not frozen)
            self.reset_parameters()
        else:
            if tuple(weight.shape) != (num_embeddings, embedding_dim):
                rule = "Shape of weight does not match num_embeddings and embedding_dim"
                raise AssertionError(describe(name, f"shape {tuple(weight.shape)}", rule))
            self.weight = Parameter(weight, not frozen)

    def reset_parameters(self) -> None:
        """Draw the vectors anew, from the normal distribution; the padding's is zero."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.detach()[self.padding_idx].fill_(0)

    @classmethod
    def _of(cls, embeddings: Tensor, freeze: bool, **settings: Any) -> Any:
        if embeddings.ndim != 2:
            rule = "Embeddings parameter is expected to be 2-dimensional"
            raise AssertionError(describe(cls.__name__, f"shape {tuple(embeddings.shape)}", rule))
        rows, columns = embeddings.shape
        made = cls(num_embeddings=rows, embedding_dim=columns, _weight=embeddings, **settings)
        made.weight.requires_grad_(not freeze)
        return made

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that are not the usual ones."""
        texts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        for name, usual in self.shown.items():
            if getattr(self, name) != usual:
                texts.append(f"{name}={getattr(self, name)!r}")
        return ", ".join(texts)


class Embedding(_Table):
    """A table of vectors; numbers go in, their vectors come out: (...) gives (..., embedding_dim).

    Args:
        num_embeddings: how many vectors.
        embedding_dim: their size.
        padding_idx: a vector that starts as zeros and gets no gradient.
        max_norm: vectors with a larger norm are scaled to it when they are looked up.
        norm_type: of which norm.
        scale_grad_by_freq: divide the gradient of a vector by how often it is looked up.
        sparse: must be False when it is used; gradients are dense.
        device: of the vectors.
        dtype: of the vectors.

    Raises:
        AssertionError: there is no vector `padding_idx`.

    Example:
        >>> import jitgrad as torch
        >>> table = torch.nn.Embedding(10, 3)
        >>> table(torch.tensor([[1, 2], [4, 3]])).shape
        torch.Size([2, 2, 3])
    """

    shown: ClassVar[dict[str, Any]] = {
        "padding_idx": None,
        "max_norm": None,
        "norm_type": 2,
        "scale_grad_by_freq": False,
        "sparse": False,
    }

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            _freeze,
            device=device,
            dtype=dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        """Return the vectors that `input` names."""
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """Return a table on the memory of `embeddings`, which does not learn if `freeze`.

        Example:
            >>> import jitgrad as torch
            >>> table = torch.nn.Embedding.from_pretrained(torch.eye(2))
            >>> table(torch.tensor([1]))
            tensor([[0., 1.]])
        """
        return cls._of(
            embeddings,
            freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )


class EmbeddingBag(_Table):
    """A table of vectors; bags of numbers go in, the means of their vectors come out.

    Args:
        num_embeddings: how many vectors.
        embedding_dim: their size.
        max_norm: vectors with a larger norm are scaled to it when they are looked up.
        norm_type: of which norm.
        scale_grad_by_freq: divide the gradient of a vector by how often it is looked up.
        mode: "mean", "sum" or "max".
        sparse: must be False when it is used; gradients are dense.
        include_last_offset: offsets end with where the last bag ends.
        padding_idx: a vector that is left out of bags.
        device: of the vectors.
        dtype: of the vectors.

    Example:
        >>> import jitgrad as torch
        >>> table = torch.nn.EmbeddingBag(10, 3, mode="sum")
        >>> table(torch.tensor([1, 2, 4]), torch.tensor([0, 2])).shape
        torch.Size([2, 3])
    """

    shown: ClassVar[dict[str, Any]] = {
        "max_norm": None,
        "norm_type": 2,
        "scale_grad_by_freq": False,
        "mode": "",
        "padding_idx": None,
    }

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            False,
            device=device,
            dtype=dtype,
        )
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        """Return what becomes of the bags."""
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """Return a table on the memory of `embeddings`, which does not learn if `freeze`."""
        return cls._of(
            embeddings,
            freeze,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
