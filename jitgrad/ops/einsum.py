"""Sums of products written as an equation over the letters of dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.ops.linalg import bmm, mm

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["einsum"]

# A label is a letter, or ("...", i) for the i-th dimension of an ellipsis, counted from the last.


def einsum(equation: str, *operands: Any) -> Tensor:
    """Return the sums of products that `equation` names, such as "ij,jk->ik".

    Each comma-separated term names the dimensions of one operand; a letter that is not in the
    output is summed over; one that comes twice in a term takes the diagonal; "..." stands for
    dimensions that broadcast. Without "->" the output has the letters that come once, sorted.

    Raises:
        RuntimeError: the equation does not fit the operands.

    Example:
        >>> import jitgrad as torch
        >>> torch.einsum("ij,j->i", torch.ones(2, 3), torch.arange(3.0))
        tensor([3., 3.])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    terms, output = _parsed(equation, operands)
    _check_sizes(equation, terms, operands)
    factors = [_without_repeats(each, labels) for each, labels in zip(operands, terms)]
    product, labels = factors[0]
    for place, (other, other_labels) in enumerate(factors[1:], 1):
        later = {label for _, rest in factors[place + 1 :] for label in rest}
        product, labels = _contracted(product, labels, other, other_labels, later.union(output))
    product, labels = _summed(product, labels, set(output))
    return product.permute(*(labels.index(label) for label in output)) if output else product


def _fail(equation: str, rule: str) -> RuntimeError:
    return RuntimeError(describe("einsum", f"the equation {equation!r}", rule))


def _parsed(equation: str, operands: tuple) -> tuple[list[list], list]:
    """Return the labels of each operand, and those of the output."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(operands):
        raise _fail(equation, f"it names {len(texts)} operands, and {len(operands)} were provided")
    spare = [each._array.ndim - len(text.replace("...", "")) for text, each in zip(texts, operands)]
    for text, extra, each in zip(texts, spare, operands):
        if extra < 0 or (extra and "..." not in text):
            raise _fail(
                equation,
                f"the number of subscripts in {text!r} does not match the number of dimensions "
                f"({each._array.ndim}) of its operand; an ellipsis stands for any number",
            )
    terms = [_labels(equation, text, extra) for text, extra in zip(texts, spare)]
    longest = max((extra for text, extra in zip(texts, spare) if "..." in text), default=0)
    if arrow:
        output = _labels(equation, right, longest)
        known = {label for term in terms for label in term}
        for label in output:
            if output.count(label) > 1:
                raise _fail(equation, f"output subscript {label} appears more than once")
            if label not in known:
                raise _fail(equation, f"output subscript {label} does not appear in the operands")
        return terms, output
    letters = sorted(set(left) - set(".,"))
    single = [each for each in letters if left.count(each) == 1]
    return terms, [("...", i) for i in reversed(range(longest))] + single


def _labels(equation: str, text: str, ellipsis: int) -> list:
    before, dots, after = text.partition("...")
    for letter in before + after:
        if not letter.isalpha():
            raise _fail(equation, f"subscripts must be letters or an ellipsis, not {letter!r}")
    middle = [("...", i) for i in reversed(range(ellipsis))] if dots else []
    return [*before, *middle, *after]


def _check_sizes(equation: str, terms: list[list], operands: tuple) -> None:
    sizes: dict = {}
    for labels, each in zip(terms, operands):
        for label, size in zip(labels, each._array.shape):
            held = sizes.get(label, 1)
            if held != 1 and size not in (1, held):
                raise _fail(
                    equation,
                    f"subscript {label} has size {size} for one operand, which does not broadcast "
                    f"with previously seen size {held}",
                )
            sizes[label] = size if held == 1 else held


def _without_repeats(tensor: Any, labels: list) -> tuple[Any, list]:
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            tensor = tensor.diagonal(0, first, second)
            labels = [*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], label]
    return tensor, labels


def _summed(tensor: Any, labels: list, keep: set) -> tuple[Any, list]:
    gone = [i for i, label in enumerate(labels) if label not in keep]
    if not gone:
        return tensor, labels
    dtype = tensor.dtype
    return tensor.sum(gone, dtype=dtype), [label for label in labels if label in keep]


def _contracted(a: Any, first: list, b: Any, second: list, keep: set) -> tuple[Any, list]:
    """Return the product of two operands, summed over what is not in `keep`, and its labels."""
    for label in [label for label in first if label in second]:
        # one size of 1 broadcasts: that operand does without the dimension
        i, j = first.index(label), second.index(label)
        if a._array.shape[i] != b._array.shape[j]:
            if a._array.shape[i] == 1:
                a, first = a.squeeze(i), [each for each in first if each != label]
            else:
                b, second = b.squeeze(j), [each for each in second if each != label]
    a, first = _summed(a, first, keep.union(second))
    b, second = _summed(b, second, keep.union(first))
    both = [label for label in first if label in second]
    batch = [label for label in both if label in keep]
    summed = [label for label in both if label not in keep]
    rows = [label for label in first if label not in both]
    columns = [label for label in second if label not in both]
    size = dict(zip(second, b._array.shape)) | dict(zip(first, a._array.shape))
    a = a.permute(*(first.index(label) for label in batch + rows + summed))
    b = b.permute(*(second.index(label) for label in batch + summed + columns))
    shape = [size[label] for label in batch + rows + columns]
    counts = [_product(size, group) for group in (batch, rows, summed, columns)]
    labels = batch + rows + columns
    if not summed:
        wide = a.reshape(*(size[x] for x in batch + rows), *(1 for _ in columns))
        tall = b.reshape(*(size[x] for x in batch), *(1 for _ in rows), *(size[x] for x in columns))
        return wide * tall, labels
    number, n, k, m = counts
    if not batch:
        return mm(a.reshape(n, k), b.reshape(k, m)).reshape(shape), labels
    return bmm(a.reshape(number, n, k), b.reshape(number, k, m)).reshape(shape), labels


def _product(size: dict, labels: list) -> int:
    count = 1
    for label in labels:
        count *= size[label]
    return count
