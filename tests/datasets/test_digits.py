"""The digits are all there, unaltered, and divided as documented."""

import hashlib

import pytest

import jitgrad
from jitgrad import datasets


def checksum(tensor: jitgrad.Tensor) -> str:
    """Return the SHA-256 of the values as bytes."""
    return hashlib.sha256(tensor.to(jitgrad.uint8).numpy().tobytes()).hexdigest()


def test_values_are_those_of_the_source() -> None:
    images, labels = datasets.digits()
    assert checksum(images * 16) == (
        "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
    )
    assert checksum(labels) == "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0"


def test_shapes_dtypes_and_ranges() -> None:
    images, labels = datasets.digits()
    assert tuple(images.shape) == (1797, 64)
    assert tuple(labels.shape) == (1797,)
    assert (images.dtype, labels.dtype) == (jitgrad.float32, jitgrad.int64)
    assert (images.min().item(), images.max().item()) == (0.0, 1.0)
    assert (labels.min().item(), labels.max().item()) == (0, 9)
    assert not images.requires_grad


def test_splits_are_the_first_and_the_rest() -> None:
    images, labels = (each.numpy() for each in datasets.digits())
    for split, part in (("train", slice(1437)), ("held out", slice(1437, None))):
        some_images, some_labels = (each.numpy() for each in datasets.digits(split=split))
        assert (some_images == images[part]).all()
        assert (some_labels == labels[part]).all()


def test_each_call_gives_tensors_of_its_own() -> None:
    images, _ = datasets.digits()
    images.zero_()
    assert datasets.digits()[0].max().item() == 1.0


def test_an_unknown_split_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'test'.*give \"train\", \"held out\", or None"):
        datasets.digits(split="test")
