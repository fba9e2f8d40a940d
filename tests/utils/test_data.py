"""Data sets, samplers and collation."""

import itertools
import warnings
from collections import Counter, OrderedDict, UserDict, UserList, defaultdict, namedtuple
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.utils import data


@pytest.fixture(autouse=True)
def _seed() -> None:
    jitgrad.manual_seed(0)


class Count(data.IterableDataset):
    """The numbers below `n`."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Any:
        return iter(range(self.n))


class AtOnce(data.Dataset):
    """Returns several samples at once, and remembers what it was asked."""

    def __init__(self, wrong: bool = False) -> None:
        self.asked: list[Any] = []
        self.wrong = wrong

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> int:
        return index * 10

    def __getitems__(self, indices: list) -> list:
        self.asked.append(indices)
        return [] if self.wrong else [index * 10 for index in indices]


# -- data sets ------------------------------------------------------------------------------------


def test_reachable_from_the_top() -> None:
    assert jitgrad.utils.data.DataLoader is data.DataLoader


def test_abstract_classes() -> None:
    with pytest.raises(NotImplementedError):
        data.Dataset()[0]
    with pytest.raises(NotImplementedError):
        iter(data.IterableDataset())
    with pytest.raises(NotImplementedError):
        iter(data.Sampler())
    assert data.Dataset[int] is not None


def test_tensor_dataset() -> None:
    x, y = jitgrad.arange(6).view(3, 2), jitgrad.tensor([5, 6, 7])
    both = data.TensorDataset(x, y)
    assert len(both) == 3
    assert both[-1][0].tolist() == [4, 5] and both[1][1].item() == 6
    assert both[jitgrad.tensor([2, 0])][1].tolist() == [7, 5]
    with pytest.raises(AssertionError, match="Size mismatch"):
        data.TensorDataset(x, jitgrad.ones(2))


def test_stack_dataset() -> None:
    pair = data.StackDataset("abc", [1, 2, 3])
    assert len(pair) == 3 and pair[1] == ("b", 2)
    assert pair.__getitems__([2, 0]) == [("c", 3), ("a", 1)]
    fast = AtOnce()
    named = data.StackDataset(a=range(10), b=fast)
    assert named.__getitems__([1, 2]) == [{"a": 1, "b": 10}, {"a": 2, "b": 20}]
    assert fast.asked == [[1, 2]]
    for wrong in (
        lambda: data.StackDataset(),
        lambda: data.StackDataset("ab", c="ab"),
        lambda: data.StackDataset("ab", "abc"),
        lambda: data.StackDataset(AtOnce(wrong=True)).__getitems__([1]),
    ):
        with pytest.raises(ValueError):
            wrong()


def test_concat_dataset() -> None:
    both = data.TensorDataset(jitgrad.arange(3)) + data.TensorDataset(jitgrad.arange(3, 5))
    assert isinstance(both, data.ConcatDataset) and len(both) == 5
    assert [both[i][0].item() for i in range(-5, 5)] == [0, 1, 2, 3, 4] * 2
    assert both.cumulative_sizes == [3, 5]
    assert data.ConcatDataset(["", "ab", "", "c"])[2] == "c"
    with pytest.raises(ValueError, match="absolute value"):
        both[-6]
    with pytest.raises(IndexError):
        both[5]
    for wrong in ([], [Count(3)]):
        with pytest.raises(AssertionError):
            data.ConcatDataset(wrong)


def test_chain_dataset() -> None:
    both = Count(2) + Count(3)
    assert isinstance(both, data.ChainDataset) and list(both) == [0, 1, 0, 1, 2]
    with pytest.raises(AssertionError, match="IterableDataset"):
        list(data.ChainDataset([[1]]))


def test_subset() -> None:
    part = data.Subset("abcdef", [4, 0, 4])
    assert list(part) == ["e", "a", "e"] and len(part) == 3
    fast = AtOnce()
    assert data.Subset(fast, [3, 1]).__getitems__([1, 0]) == [10, 30] and fast.asked == [[1, 3]]
    nested = data.Subset(part, [1])
    assert nested[0] == "a" and nested.__getitems__([0]) == ["a"]
    tensors = data.TensorDataset(jitgrad.arange(5) * 10)
    assert data.Subset(tensors, [4, 2, 0])[[0, 2]][0].tolist() == [40, 0]


def test_random_split() -> None:
    parts = data.random_split(range(10), [3, 7])
    assert [len(part) for part in parts] == [3, 7]
    assert sorted(itertools.chain(*parts)) == list(range(10))
    assert [len(part) for part in data.random_split(range(10), [1 / 3] * 3)] == [4, 3, 3]
    assert [len(part) for part in data.random_split(range(7), [0.5, 0.5])] == [4, 3]
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        data.random_split(range(3), [0.9, 0.1])
    first, second = (
        data.random_split(range(100), [50, 50], jitgrad.Generator().manual_seed(1))[0].indices
        for _ in range(2)
    )
    assert first == second != sorted(first)
    for wrong in ([3, 3], [0.5, 0.6], [1.5, -0.5]):
        with pytest.raises(ValueError, match="random_split: "):
            data.random_split(range(10), wrong)


def test_splits_are_as_long_as_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    for count in range(12):
        for fractions in ([0.5, 0.5], [0.7, 0.2, 0.1], [1 / 3] * 3, [0.99, 0.01], [1.0]):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ours = data.random_split(range(count), fractions)
                theirs = torch.utils.data.random_split(range(count), fractions)
            assert [len(part) for part in ours] == [len(part) for part in theirs]


# -- samplers -------------------------------------------------------------------------------------


def test_sequential_sampler() -> None:
    sampler = data.SequentialSampler("abc")
    assert list(sampler) == [0, 1, 2] and len(sampler) == 3


def test_random_sampler() -> None:
    sampler = data.RandomSampler(range(50))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50)) and first != second
    jitgrad.manual_seed(0)
    assert list(sampler) == first
    assert len(data.RandomSampler("abc", num_samples=7)) == 7
    longer = list(data.RandomSampler("abc", num_samples=7))
    assert len(longer) == 7 and sorted(longer[:3]) == sorted(longer[3:6]) == [0, 1, 2]
    drawn = list(data.RandomSampler("abc", replacement=True, num_samples=3000))
    assert len(drawn) == 3000
    assert all(900 < count < 1100 for count in Counter(drawn).values())


def test_random_order_is_uniform() -> None:
    counts = Counter(tuple(data.RandomSampler("abc")) for _ in range(3000))
    assert len(counts) == 6 and all(400 < count < 600 for count in counts.values())


def test_generators_of_samplers() -> None:
    generator = jitgrad.Generator()
    samplers = [
        data.RandomSampler(range(20), generator=generator),
        data.RandomSampler(range(20), replacement=True, generator=generator),
        data.SubsetRandomSampler(range(20), generator=generator),
        data.WeightedRandomSampler([1.0] * 20, 20, generator=generator),
    ]
    for sampler in samplers:
        generator.manual_seed(3)
        before = jitgrad.get_rng_state()
        first = list(sampler)
        second = list(sampler)
        assert jitgrad.get_rng_state().equal(before)
        generator.manual_seed(3)
        assert list(sampler) == first != second


def test_subset_random_sampler() -> None:
    sampler = data.SubsetRandomSampler([7, 3, 5])
    assert sorted(sampler) == [3, 5, 7] and len(sampler) == 3


def test_weighted_random_sampler() -> None:
    drawn = list(data.WeightedRandomSampler([0.0, 1.0, 3.0], 4000))
    counts = Counter(drawn)
    assert counts[0] == 0 and abs(counts[2] / 4000 - 0.75) < 0.03
    assert sorted(data.WeightedRandomSampler([1.0, 2.0, 0.0], 2, replacement=False)) == [0, 1]
    many = list(data.WeightedRandomSampler(jitgrad.ones(30_000), 30_000))
    assert len(set(many)) > 15_000


def test_batch_sampler() -> None:
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    for count, drop, length in ((4, False, 2), (4, True, 2), (5, False, 3), (5, True, 2)):
        assert len(data.BatchSampler(range(count), 2, drop)) == length


def test_samplers_refuse() -> None:
    for wrong in (
        lambda: data.RandomSampler([]),
        lambda: data.RandomSampler("abc", num_samples=0),
        lambda: data.RandomSampler("abc", num_samples=1.5),  # type: ignore[arg-type]
        lambda: data.WeightedRandomSampler([1.0], 0),
        lambda: data.WeightedRandomSampler([1.0], True),
        lambda: data.WeightedRandomSampler([1.0], 1, 1),  # type: ignore[arg-type]
        lambda: data.WeightedRandomSampler([[1.0]], 1),  # type: ignore[list-item]
        lambda: data.BatchSampler("abc", 0, False),
        lambda: data.BatchSampler("abc", True, False),
        lambda: data.BatchSampler("abc", 2, 1),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(TypeError):
        data.RandomSampler("abc", replacement=1)  # type: ignore[arg-type]


# -- collation ------------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


def plain(value: Any) -> Any:
    """Return a batch with its tensors as (dtype, elements)."""
    if hasattr(value, "tolist") and hasattr(value, "requires_grad"):
        return str(value.dtype), value.tolist()
    if isinstance(value, (dict, MappingProxyType)):
        return type(value), {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [plain(each) for each in value]
    if isinstance(value, (UserDict, UserList)):
        return type(value), plain(value.data)
    return value


def factory() -> defaultdict:
    made: defaultdict = defaultdict(list)
    made["a"] = 1
    return made


BATCHES: list[list[Any]] = [
    [1, 2, 3],
    [True, False],
    [1.5, 2.5],
    ["a", "b"],
    [b"a", b"b"],
    [np.float32(1), np.float32(2)],
    [np.int16(1), np.int16(2)],
    [np.arange(3), np.arange(3) * 2],
    [np.ones((2, 2), np.float32)] * 3,
    [np.array(1.0), np.array(2.0)],
    [(1, 2.0, "a"), (3, 4.0, "b")],
    [[1, 2], [3, 4]],
    [range(2), range(2)],
    [{"a": 1, "b": [1.0]}, {"a": 2, "b": [2.0]}],
    [OrderedDict(b=1, a=2)] * 2,
    [factory(), factory()],
    [MappingProxyType({"a": 1})] * 2,
    [UserDict(a=1)] * 2,
    [UserList([1, 2])] * 2,
    [Point(1, 2.0), Point(3, 4.0)],
    [Point((1, "a"), {"k": np.ones(2)})] * 2,
    [[], []],
    [{}, {}],
    [()] * 2,
]


@pytest.mark.parametrize("batch", BATCHES, ids=repr)
def test_collate_and_convert_as_torch(batch: list[Any]) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.utils.data
    assert plain(data.default_collate(batch)) == plain(theirs.default_collate(batch))
    assert plain(data.default_convert(batch)) == plain(theirs.default_convert(batch))
    assert plain(data.default_convert(batch[0])) == plain(theirs.default_convert(batch[0]))


def test_collate() -> None:
    batch = data.default_collate([{"x": jitgrad.ones(2), "y": (i, str(i))} for i in range(3)])
    assert batch["x"].shape == (3, 2)
    assert batch["y"][0].tolist() == [0, 1, 2] and batch["y"][1] == ("0", "1", "2")
    reversed_array = np.arange(3)[::-1]
    assert data.default_collate([reversed_array] * 2)[1].tolist() == [2, 1, 0]
    assert data.default_collate([np.ones(2, ">f4")]).dtype is jitgrad.float32
    assert data.default_convert(reversed_array).tolist() == [2, 1, 0]
    array = np.ones(3)
    assert np.shares_memory(data.default_convert([array])[0].numpy(), array)


def test_collate_refuses() -> None:
    for batch in ([None], [1j], [object()], [np.array(["a"])], [np.array([None])], [{1}]):
        with pytest.raises(TypeError, match=r"default_collate: .* found"):
            data.default_collate(batch)
    with pytest.raises(RuntimeError, match=r"of equal size, got sizes \[1, 2\]"):
        data.default_collate([[1], [1, 2]])
    with pytest.raises(RuntimeError):
        data.default_collate([jitgrad.ones(2), jitgrad.ones(3)])
