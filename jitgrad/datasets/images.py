"""Images in files, through Pillow, which is an extra: `pip install 'jitgrad[images]'`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import wrap
from jitgrad.tensor import Tensor
from jitgrad.utils.data import Dataset

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


def _pillow() -> Any:
    """Return Pillow's module `Image`.

    Raises:
        ImportError: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Reading images needs Pillow, which is not installed: pip install 'jitgrad[images]'"
        ) from error
    return Image


def read_image(
    file: str | os.PathLike[str], mode: str | None = None, size: tuple[int, int] | None = None
) -> Tensor:
    """Return the image in a file, of shape (channels, height, width), uint8.

    Args:
        file: the path.
        mode: "RGB" (3 channels), "L" (1 channel, grey), "RGBA" (4); that of the file unless given,
            with palettes resolved.
        size: (height, width) to which it is scaled.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: the file is no image, or is damaged.
        FileNotFoundError: there is no such file.
    """
    library = _pillow()
    path = os.fspath(file)
    with open(path, "rb") as stream:
        try:
            with library.open(stream) as picture:
                made = picture.convert(mode or _mode_of(picture))
        except (OSError, SyntaxError, ValueError, library.DecompressionBombError) as error:
            raise ValueError(
                f"read_image: {path} ({os.path.getsize(path)} bytes) is no image that Pillow can "
                f"read, or is damaged: {error}"
            ) from error
    if size is not None:
        height, width = size
        made = made.resize((width, height), library.Resampling.BILINEAR)
    elements = np.array(made)
    if elements.ndim == 2:
        elements = elements[:, :, None]
    return wrap(np.ascontiguousarray(elements.transpose(2, 0, 1)))


def _mode_of(picture: Any) -> str:
    """Return the mode of 8 bits a channel that keeps what an image shows."""
    if picture.mode in ("L", "RGB", "RGBA", "LA"):
        return picture.mode
    if picture.mode in ("1", "I", "I;16", "F"):
        return "L"
    return "RGBA" if picture.has_transparency_data else "RGB"


class ImageFolder(Dataset):
    """Images in folders that say what they show: `root/cat/1.png`, `root/dog/2.png`.

    Sample i is an image of shape (channels, height, width), float32 from 0 to 1, and the number of
    its class. Classes are the folders in `root`, sorted; images are found in folders below too.

    Args:
        root: the folder of the folders.
        transform: called with each image, returns what the sample holds.
        target_transform: the same for the number of the class.
        mode: see `read_image`; "RGB" unless given.
        size: (height, width) to which images are scaled; they must be equal to make batches.

    Attributes:
        classes: the names of the classes.
        class_to_idx: their numbers.
        samples: the path and the number of the class, for each image.
        targets: the numbers of the classes alone.

    Raises:
        FileNotFoundError: there is no class, or a class without images.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        *,
        mode: str | None = "RGB",
        size: tuple[int, int] | None = None,
    ) -> None:
        _pillow()
        self.root = os.fspath(root)
        self.transform, self.target_transform = transform, target_transform
        self.mode, self.size = mode, size
        folders = sorted(each for each in Path(root).iterdir() if each.is_dir())
        if not folders:
            raise FileNotFoundError(
                f"ImageFolder: Couldn't find any class folder in {self.root}; images stand in a "
                "folder for each class"
            )
        self.classes = [folder.name for folder in folders]
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.samples: list[tuple[str, int]] = []
        for number, folder in enumerate(folders):
            found = sorted(each for each in folder.rglob("*") if each.suffix.lower() in EXTENSIONS)
            if not found:
                raise FileNotFoundError(
                    f"ImageFolder: Found no valid file for the class {folder.name} in {folder}; "
                    f"supported extensions are {', '.join(sorted(EXTENSIONS))}"
                )
            self.samples += [(str(path), number) for path in found]
        self.targets = [number for _, number in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        image: Any = read_image(path, self.mode, self.size).to(dtypes.float32) / 255
        if self.transform is not None:
            image = self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)
