"""Small data sets that come with the package, and readers of files that users have."""

from jitgrad.datasets.arrays import read_npy, read_npz
from jitgrad.datasets.digits import digits
from jitgrad.datasets.idx import mnist, read_idx, read_idx_pair
from jitgrad.datasets.images import ImageFolder, read_image
from jitgrad.datasets.tables import read_csv

__all__ = [
    "ImageFolder",
    "digits",
    "mnist",
    "read_csv",
    "read_idx",
    "read_idx_pair",
    "read_image",
    "read_npy",
    "read_npz",
]
