"""Files: damage is noticed, and what is saved is whole or not there."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.serialization import layout
from tests.serialization.streams import loaded, saved

# -- damaged files --------------------------------------------------------------------------------


def test_every_missing_byte_is_noticed(tmp_path: Path) -> None:
    data = saved({"a": jitgrad.arange(10), "b": np.arange(3)})
    path = tmp_path / "a.pt"
    for length in range(len(layout.MAGIC), len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(RuntimeError, match=r"a\.pt' is damaged or was not copied completely"):
            jitgrad.load(path)
        with pytest.raises(RuntimeError, match="BytesIO is damaged"):
            loaded(data[:length], weights_only=False)
    path.write_bytes(data + b"x")
    with pytest.raises(RuntimeError, match="bytes behind its end"):
        jitgrad.load(path)


def test_every_changed_bit_is_noticed() -> None:
    data = saved({"a": jitgrad.arange(10), "b": np.arange(3)})
    for position in range(len(layout.MAGIC), len(data)):
        for bit in (1, 128):
            changed = bytearray(data)
            changed[position] ^= bit
            with pytest.raises(RuntimeError, match="is damaged"):
                loaded(bytes(changed), weights_only=False)


def test_a_table_that_lies_is_refused() -> None:
    def file(table: Any) -> bytes:
        text = json.dumps(table).encode()
        head = layout.HEAD.pack(layout.MAGIC, 1, len(text), zlib.crc32(text), 0)[:-4]
        return head + struct.pack("<I", zlib.crc32(head)) + text + b"N."

    entry = {"nbytes": 2, "crc32": zlib.crc32(b"N.")}
    for wrong in (
        [],
        {},
        {"pickle": entry},
        {"pickle": {**entry, "nbytes": -1}, "blocks": []},
        {"pickle": {**entry, "nbytes": 1.5}, "blocks": []},
        {"pickle": entry, "blocks": [{"dtype": "O", "nbytes": 8, "crc32": 0}]},
        {"pickle": entry, "blocks": [{"dtype": "f4,f4", "nbytes": 8, "crc32": 0}]},
        {"pickle": entry, "blocks": [{"dtype": "nonsense", "nbytes": 8, "crc32": 0}]},
        {"pickle": entry, "blocks": [{"dtype": "f4", "nbytes": 10**18, "crc32": 0}]},
    ):
        with pytest.raises(RuntimeError, match="is damaged"):
            loaded(file(wrong))
    assert loaded(file({"pickle": entry, "blocks": []})) is None


def test_a_newer_layout_is_refused() -> None:
    head = layout.HEAD.pack(layout.MAGIC, 2, 0, 0, 0)[:-4]
    with pytest.raises(RuntimeError, match="version 2"):
        loaded(head + struct.pack("<I", zlib.crc32(head)))


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(EOFError, match="empty"):
        loaded(b"")
    for junk in (b"a", b"hello world, this is junk", pickle.dumps([1])):
        with pytest.raises(pickle.UnpicklingError, match="begins with"):
            loaded(junk)
    with pytest.raises(RuntimeError, match=r"before version 1\.6"):
        loaded(pickle.dumps(0x1950A86A20F9469CFC6C, 2))
    with pytest.raises(FileNotFoundError):
        jitgrad.load(tmp_path / "none.pt")
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        jitgrad.save(1, tmp_path / "none" / "a.pt")
    with pytest.raises(AttributeError, match="'write'"):
        jitgrad.save(1, 5)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="'read'"):
        jitgrad.load(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pickle_protocol"):
        jitgrad.save(1, io.BytesIO(), pickle_protocol=1)


# -- whole files ----------------------------------------------------------------------------------


def test_a_failing_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    jitgrad.save("old", path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        jitgrad.save([jitgrad.ones(3), lambda: None], path)
    assert jitgrad.load(path) == "old"
    assert os.listdir(tmp_path) == ["a.pt"]


def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pt"
    jitgrad.save("old", path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        jitgrad.save("new", path)
    assert jitgrad.load(path) == "old"
    assert os.listdir(tmp_path) == ["a.pt"]


KILLED = """
    import os, signal, sys
    import jitgrad
    from jitgrad.serialization import layout

    class Dying:
        def __init__(self, stream):
            self.stream, self.left = stream, int(sys.argv[2])

        def write(self, data):
            self.stream.write(data[: self.left])
            self.left -= len(data)
            if self.left <= 0:
                self.stream.flush()
                os.kill(os.getpid(), signal.SIGKILL)

    written = layout.write
    layout.write = lambda stream, *parts: written(Dying(stream), *parts)
    jitgrad.save({"new": jitgrad.zeros(1000)}, sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
@pytest.mark.parametrize("count", [10, 1000])
def test_a_killed_save_leaves_the_old_file(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.pt"
    jitgrad.save({"old": jitgrad.ones(3)}, path)
    code = textwrap.dedent(KILLED)
    run = subprocess.run([sys.executable, "-c", code, str(path), str(count)], check=False)
    assert run.returncode == -9
    assert jitgrad.load(path)["old"].tolist() == [1, 1, 1]
    assert len(os.listdir(tmp_path)) == 2  # the other one is the part that was written
    jitgrad.save("new", path)
    assert jitgrad.load(path) == "new"


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_modes_and_links(tmp_path: Path) -> None:
    path, link = tmp_path / "a.pt", tmp_path / "link.pt"
    (tmp_path / "plain").write_bytes(b"")
    jitgrad.save(1, path)
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o640)
    link.symlink_to(path)
    jitgrad.save(2, link)
    assert link.is_symlink() and jitgrad.load(path) == 2
    assert path.stat().st_mode & 0o777 == 0o640
