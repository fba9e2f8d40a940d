"""The 8x8 handwritten digits; source, authors and licence in LICENSE.md beside this file."""

from importlib import resources

import numpy as np

from jitgrad.ops.create import from_numpy
from jitgrad.tensor import Tensor

TRAIN = 1437
"""The first 1,437 images are for training, the last 360 are held out."""

SPLITS = {None: slice(None), "train": slice(TRAIN), "held out": slice(TRAIN, None)}


def digits(split: str | None = None) -> tuple[Tensor, Tensor]:
    """Return images of handwritten digits and what they show.

    The 1,797 images are the test part of "Optical Recognition of Handwritten Digits" by
    E. Alpaydin and C. Kaynak (UCI Machine Learning Repository, CC BY 4.0), in its order.

    Args:
        split: None for all, "train" for the first 1,437, "held out" for the last 360.

    Returns:
        Images of shape (N, 64), float32 from 0 to 1, rows of an 8x8 bitmap one after the other;
        labels of shape (N,), int64 from 0 to 9. Both are fresh at every call.

    Raises:
        ValueError: `split` is none of these.

    Example:
        >>> from jitgrad import datasets
        >>> images, labels = datasets.digits()
        >>> images.shape, labels.shape
        (torch.Size([1797, 64]), torch.Size([1797]))
        >>> labels[:5].tolist()
        [0, 1, 2, 3, 4]
        >>> len(datasets.digits(split="held out")[1])
        360
    """
    if split not in SPLITS:
        raise ValueError(
            f"datasets.digits: split is {split!r}, which is no part of the data: "
            'give "train", "held out", or None for all'
        )
    file = resources.files("jitgrad.datasets") / "digits.npz"
    with file.open("rb") as stream, np.load(stream) as stored:
        images, labels = stored["images"][SPLITS[split]], stored["labels"][SPLITS[split]]
    return from_numpy(images.astype(np.float32) / 16), from_numpy(labels.astype(np.int64))
