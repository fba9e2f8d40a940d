"""Files that users have: what is read, and what is said of files that are not right."""

import gzip
import math
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad import datasets
from jitgrad.utils.data import DataLoader


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# -- tables ---------------------------------------------------------------------------------------

TABLE = "a, b ,c\n1,2.5,3\n-4,5e-1,6\n"


def test_csv(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", TABLE)
    made = datasets.read_csv(path)
    assert made.dtype is jitgrad.float32 and made.tolist() == [[1, 2.5, 3], [-4, 0.5, 6]]
    assert not made._storage.is_foreign and not made._storage.borrowed
    assert datasets.read_csv(str(path), ["c", 0]).tolist() == [[3, 1], [6, -4]]
    assert datasets.read_csv(path, [-1], dtype=jitgrad.int64).tolist() == [[3], [6]]
    columns = datasets.read_csv(path, dtype={"c": jitgrad.uint8, "b": jitgrad.float64})
    assert list(columns) == ["c", "b"]
    assert columns["c"].dtype is jitgrad.uint8 and columns["c"].tolist() == [3, 6]
    assert columns["b"].dtype is jitgrad.float64 and columns["b"].tolist() == [2.5, 0.5]
    kinds = {0: jitgrad.int32, "b": jitgrad.float32}
    assert datasets.read_csv(path, ["b"], dtype=kinds)["b"].tolist() == [2.5, 0.5]


def test_csv_forms(tmp_path: Path) -> None:
    bare = written(tmp_path, "bare.csv", "1;2\n\n3;4\n")
    assert datasets.read_csv(bare, header=False, delimiter=";").tolist() == [[1, 2], [3, 4]]
    windows = written(tmp_path, "windows.csv", b"\xef\xbb\xbfx,y\r\n1,2\r\n")
    assert datasets.read_csv(windows, ["x"]).tolist() == [[1]]
    quoted = written(tmp_path, "quoted.csv", '"a,1","b"\n"1","2"\n')
    assert datasets.read_csv(quoted, ["a,1"]).tolist() == [[1]]
    noted = written(tmp_path, "noted.csv", "made by hand\n\nx,y\n1,2 # two\n# none\n3,4\n")
    made = datasets.read_csv(noted, skip_lines=2, comments="#")
    assert made.tolist() == [[1, 2], [3, 4]]
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(TABLE.encode()))
    assert datasets.read_csv(packed).shape == (2, 3)
    tabs = written(tmp_path, "tabs.tsv", "x\ty\n1\t2")
    assert datasets.read_csv(tabs, delimiter="\t").tolist() == [[1, 2]]
    latin = written(tmp_path, "latin.csv", "größe\n1\n".encode("latin-1"))
    assert datasets.read_csv(latin, ["größe"], encoding="latin-1").tolist() == [[1]]
    one = written(tmp_path, "one.csv", "x\n1\n2\n")
    assert datasets.read_csv(one).tolist() == [[1], [2]]
    none = written(tmp_path, "none.csv", "x,y\n")
    assert datasets.read_csv(none).shape == (0, 2)
    assert datasets.read_csv(none, dtype={"y": jitgrad.int64})["y"].shape == (0,)
    odd = written(tmp_path, "odd.csv", "x\nnan\ninf\n-Infinity\n")
    assert str(datasets.read_csv(odd).tolist()) == "[[nan], [inf], [-inf]]"


def test_csv_missing_and_converters(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "x,kind,ok\n1,cat,true\n,dog,0\n")
    made = datasets.read_csv(path, ["x"], missing=math.nan)
    assert made[0].item() == 1 and math.isnan(made[1].item())
    assert datasets.read_csv(path, ["x"], dtype=jitgrad.int64, missing=-1).tolist() == [[1], [-1]]
    kinds = {"kind": ["cat", "dog"].index}
    columns = {"kind": jitgrad.int64, "ok": jitgrad.bool}
    made = datasets.read_csv(path, dtype=columns, converters=kinds)
    assert made["kind"].tolist() == [0, 1] and made["ok"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("x,y\n1,2\n3,\n", {}, r"line 3, column 'y': found nothing, and expected torch.float32"),
        ("x,y\n1,2\n3,  \n", {}, r"line 3, column 'y': found nothing"),
        ("x,y\n1,2\n\n3,abc\n", {}, r"line 4, column 'y': found 'abc'"),
        ("1,2\n3,4\n5,?\n", {"header": False}, r"line 3, column 1: found '\?'"),
        ("x\n1.5\n", {"dtype": jitgrad.int64}, r"line 2, column 'x': found '1.5', .*torch.int64"),
        ("x\n2\n", {"dtype": jitgrad.bool}, r"line 2, column 'x': found '2', .*true"),
        ("x\n1\na\n", {"missing": 0.0}, r"line 3, column 'x': found 'a'"),
        ("x\ncow\n", {"converters": {"x": ["cat"].index}}, r"line 2, column 'x': found 'cow'"),
        ("x,y\n1,2\n3\n", {}, r"line 3: found 1 fields, and expected 2"),
        ("x,y\n1,2\n3,4,5\n", {}, r"line 3: found 3 fields, and expected 2"),
        ("x,y\n1,2\n3,4,5\n", {"columns": ["x"]}, r"line 3: found 3 fields, and expected 2"),
        ("x,y\n1,2\n", {"columns": []}, r"columns names none; it has 'x', 'y'"),
        ("", {}, r"has no table: expected a line of names"),
        ("a\nb\n", {"skip_lines": 5}, r"has no table"),
        ("x,y\n1,2\n", {"columns": ["z"]}, r"has no column 'z'; it has 'x', 'y'"),
        ("1,2\n", {"columns": [2], "header": False}, r"has no column 2; it has 2 columns"),
        (b"x\n\xff\xfe\n", {}, r"is no text of the encoding utf-8"),
    ],
)
def test_csv_says_what_is_wrong(
    tmp_path: Path, content: str | bytes, options: dict[str, Any], says: str
) -> None:
    path = written(tmp_path, "a.csv", content)
    with pytest.raises(ValueError, match=rf"read_csv: .*a\.csv.*{says}"):
        datasets.read_csv(path, **options)


def test_csv_that_is_packed_and_damaged(tmp_path: Path) -> None:
    data = gzip.compress(TABLE.encode() * 100)
    with pytest.raises(ValueError, match=r"a\.csv\.gz is no text .*damaged"):
        datasets.read_csv(written(tmp_path, "a.csv.gz", data[:-20]))
    with pytest.raises(FileNotFoundError):
        datasets.read_csv(tmp_path / "none.csv")


# -- NumPy's files --------------------------------------------------------------------------------

ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.arange(6.0).reshape(2, 3).T,
    np.array(3.5),
    np.zeros((0, 2), np.float32),
    np.arange(3, dtype=">i2"),
    np.array([True, False]),
]


def test_npy_and_npz(tmp_path: Path) -> None:
    for array in ARRAYS:
        np.save(tmp_path / "a.npy", array)
        made = datasets.read_npy(tmp_path / "a.npy")
        assert made.dtype.numpy == array.dtype.newbyteorder("=")
        assert made.shape == array.shape and (made.numpy() == array).all()
        assert not datasets.read_npy(tmp_path / "a.npy")._storage.is_foreign
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **{f"n{i}": array for i, array in enumerate(ARRAYS)})
        stored = datasets.read_npz(str(tmp_path / "a.npz"))
        assert list(stored) == [f"n{i}" for i in range(len(ARRAYS))]
        assert all((made.numpy() == array).all() for made, array in zip(stored.values(), ARRAYS))
        assert list(datasets.read_npz(tmp_path / "a.npz", ["n3", "n0"])) == ["n3", "n0"]


def test_npy_says_what_is_wrong(tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", np.arange(100))
    data = (tmp_path / "good.npy").read_bytes()
    for length in (0, 3, 8, 50, 128, 500, len(data) - 1):
        with pytest.raises(ValueError, match=r"read_npy: .*a\.npy"):
            datasets.read_npy(written(tmp_path, "a.npy", data[:length]))
    with pytest.raises(ValueError, match="bytes behind an array"):
        datasets.read_npy(written(tmp_path, "a.npy", data + b"x"))
    with pytest.raises(ValueError, match="begins with b'hello,'"):
        datasets.read_npy(written(tmp_path, "a.npy", b"hello, world"))
    np.save(tmp_path / "o.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        datasets.read_npy(tmp_path / "o.npy")
    np.save(tmp_path / "s.npy", np.array(["a"]))
    with pytest.raises(ValueError, match=r"s\.npy: .*<U1"):
        datasets.read_npy(tmp_path / "s.npy")
    with pytest.raises(FileNotFoundError):
        datasets.read_npy(tmp_path / "none.npy")


def test_npz_says_what_is_wrong(tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", x=np.arange(100), y=np.array([{}]))
    good = tmp_path / "good.npz"
    data = good.read_bytes()
    for length in (0, 2, 10, 500, len(data) - 1):
        with pytest.raises(ValueError, match=r"read_npz: .*a\.npz"):
            datasets.read_npz(written(tmp_path, "a.npz", data[:length]))
    changed = bytearray(data)
    changed[400] ^= 255
    with pytest.raises(ValueError, match=r"a\.npz, array 'x' is damaged"):
        datasets.read_npz(written(tmp_path, "a.npz", bytes(changed)), ["x"])
    with pytest.raises(ValueError, match="has no array 'z'; it has x, y"):
        datasets.read_npz(good, ["z"])
    with pytest.raises(ValueError, match=r"array 'y' .*Object arrays"):
        datasets.read_npz(good)
    assert list(datasets.read_npz(good, ["x"])) == ["x"]


# -- IDX ------------------------------------------------------------------------------------------


def idx(code: int, shape: tuple[int, ...], elements: bytes) -> bytes:
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + elements


@pytest.mark.parametrize(
    ("code", "kind", "dtype"),
    [
        (0x08, "B", jitgrad.uint8),
        (0x09, "b", jitgrad.int8),
        (0x0B, "h", jitgrad.int16),
        (0x0C, "i", jitgrad.int32),
        (0x0D, "f", jitgrad.float32),
        (0x0E, "d", jitgrad.float64),
    ],
)
def test_idx(tmp_path: Path, code: int, kind: str, dtype: Any) -> None:
    numbers = [0, 1, 2, 3, 4, 100]
    data = idx(code, (2, 3), struct.pack(f">6{kind}", *numbers))
    for content in (data, gzip.compress(data)):
        made = datasets.read_idx(written(tmp_path, "a", content))
        assert made.dtype is dtype and made.tolist() == [numbers[:3], numbers[3:]]
        made.add_(1)
        assert not made._storage.is_foreign


def test_idx_says_what_is_wrong(tmp_path: Path) -> None:
    data = idx(8, (2, 3), bytes(6))
    for content, says in (
        (b"", "begins with b''"),
        (data[:3], "begins with"),
        (b"\x89PNG....", r"begins with b'\\x89PNG'; an IDX file begins with two zero bytes"),
        (idx(7, (2,), bytes(2)), "begins with"),
        (data[:9], "is truncated: found 9 bytes, and expected 12 for the sizes of 2 dimensions"),
        (data[:-1], r"is truncated: found 17 bytes, and expected 18 for the shape \(2, 3\)"),
        (data + b"x", "has bytes behind its end: found 19 bytes, and expected 18"),
        (gzip.compress(data)[:-9], "is a damaged or incomplete gzip file of"),
        (gzip.compress(data[:-1]), "is truncated: found 17 bytes"),
    ):
        with pytest.raises(ValueError, match=rf"read_idx: .*a\.idx {says}"):
            datasets.read_idx(written(tmp_path, "a.idx", content))


def test_mnist(tmp_path: Path) -> None:
    images = idx(8, (3, 28, 28), bytes([255]) * (3 * 784))
    written(tmp_path, "train-images-idx3-ubyte", images)
    written(tmp_path, "train-labels-idx1-ubyte.gz", gzip.compress(idx(8, (3,), b"\7\0\1")))
    x, y = datasets.mnist(tmp_path)
    assert x.shape == (3, 28, 28) and x.dtype is jitgrad.float32 and x.max().item() == 1.0
    assert y.dtype is jitgrad.int64 and y.tolist() == [7, 0, 1]
    with pytest.raises(FileNotFoundError, match="t10k-images-idx3-ubyte"):
        datasets.mnist(tmp_path, "test")
    with pytest.raises(ValueError, match="'held out'"):
        datasets.mnist(tmp_path, "held out")
    few = written(tmp_path, "few", idx(8, (2,), b"\7\0"))
    train = tmp_path / "train-images-idx3-ubyte"
    with pytest.raises(ValueError, match=r"has 3 images, and .*few has 2 labels"):
        datasets.read_idx_pair(train, few)
    with pytest.raises(ValueError, match="interchanged"):
        datasets.read_idx_pair(few, train)
    with pytest.raises(ValueError, match="two dimensions or more"):
        datasets.read_idx_pair(few, few)


# -- images ---------------------------------------------------------------------------------------


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (4, 2), value: Any = 0) -> Path:
    image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.new(mode, size, value).save(path)
    return path


def test_images(tmp_path: Path) -> None:
    red = datasets.read_image(picture(tmp_path / "red.png", "RGB", (4, 2), (255, 0, 10)))
    assert red.shape == (3, 2, 4) and red.dtype is jitgrad.uint8
    assert red[:, 1, 3].tolist() == [255, 0, 10] and red.is_contiguous()
    red.add_(1)
    grey = picture(tmp_path / "grey.png", "L", (4, 2), 7)
    assert datasets.read_image(grey).shape == (1, 2, 4)
    assert datasets.read_image(grey, "RGB")[:, 0, 0].tolist() == [7, 7, 7]
    assert datasets.read_image(grey, size=(5, 6)).shape == (1, 5, 6)
    assert datasets.read_image(picture(tmp_path / "a.png", "RGBA")).shape[0] == 4
    assert datasets.read_image(picture(tmp_path / "p.png", "P")).shape[0] == 3
    assert datasets.read_image(picture(tmp_path / "one.png", "1", value=1)).max().item() == 255


def test_images_that_are_damaged(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = pytest.importorskip("PIL.Image")
    image.fromarray(rng.integers(0, 255, (50, 50, 3), np.uint8)).save(tmp_path / "good.png")
    data = (tmp_path / "good.png").read_bytes()
    for content in (b"", b"hello", data[:20], data[: len(data) // 2]):
        path = written(tmp_path, "a.png", content)
        with pytest.raises(ValueError, match=rf"a\.png \({len(content)} bytes\) is no image"):
            datasets.read_image(path)
    with pytest.raises(FileNotFoundError):
        datasets.read_image(tmp_path / "none.png")


def test_image_folder(tmp_path: Path) -> None:
    for name, value in (("cat/2.png", 10), ("cat/1.JPG", 0), ("dog/deep/3.png", 255)):
        picture(tmp_path / name, "L", (4, 2), value)
    written(tmp_path, "cat/notes.txt", "none")
    data = datasets.ImageFolder(tmp_path)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    assert [Path(path).name for path, _ in data.samples] == ["1.JPG", "2.png", "3.png"]
    assert data.targets == [0, 0, 1] and len(data) == 3
    image, target = data[2]
    assert image.shape == (3, 2, 4) and image.dtype is jitgrad.float32 and target == 1
    assert image.max().item() == 1.0
    for count in (0, 2):
        ((images, targets),) = DataLoader(data, batch_size=3, num_workers=count)
        assert images.shape == (3, 3, 2, 4) and targets.tolist() == [0, 0, 1]
    small = datasets.ImageFolder(
        tmp_path, lambda x: x.sum(), lambda target: target * 10, mode="L", size=(1, 1)
    )
    assert [(image.item(), target) for image, target in small] == [
        (0.0, 0),
        (pytest.approx(10 / 255), 0),
        (1.0, 10),
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="Found no valid file for the class empty"):
        datasets.ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder"):
        datasets.ImageFolder(tmp_path / "empty")


def test_without_pillow(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['PIL'] = None; import jitgrad\n"
        "jitgrad.datasets.digits()\n"
        "for read in jitgrad.datasets.read_image, jitgrad.datasets.ImageFolder:\n"
        f"    try: read({str(tmp_path)!r})\n"
        "    except ImportError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.count("pip install 'jitgrad[images]'") == 2
