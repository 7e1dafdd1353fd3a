"""What waits is what was written, wherever it lies; a file is made late, has no name, and tells when it cannot be."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.programs import spool as module
from qmail_smtpd.programs.spool import BLOCK, IN_MEMORY, Spool, SpoolError

from ..support.processes import ROOT

SIZES = st.sampled_from([0, 1, 7, 1000, BLOCK - 1, BLOCK, BLOCK + 1, IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1])


def pattern(size: int) -> bytes:
    """Bytes that are another at every place."""
    return b"".join(b"%07d\n" % number for number in range(size // 8 + 1))[:size]


@contextmanager
def spooled(folder: Path, *blocks: bytes) -> Iterator[Spool]:
    spool = Spool(os.fsencode(folder))
    for block in blocks:
        spool.write(block)
    yield spool
    spool.close()


@given(st.lists(SIZES, max_size=5), SIZES, st.booleans())
def test_it_gives_back_what_it_got(sizes: list[int], start: int, twice: bool) -> None:
    blocks = [pattern(size) for size in sizes]
    whole = b"".join(blocks)
    with spooled(Path("/var/tmp"), *blocks) as spool:
        assert spool.size == len(whole)
        for _ in range(1 + twice):
            assert b"".join(spool.blocks(start)) == whole[start:]
        assert all(len(block) <= BLOCK for block in spool.blocks())


def test_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    text = pattern(IN_MEMORY + 3 * BLOCK)
    with spooled(tmp_path, text) as spool:
        pairs = list(zip(spool.blocks(), spool.blocks(), strict=True))
    assert b"".join(one for one, _ in pairs) == b"".join(two for _, two in pairs) == text


def files_open() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("flags", [module._NAMELESS, os.O_WRONLY], ids=["nameless", "named for a moment"])
def test_a_file_only_when_memory_does_not_do(tmp_path: Path, flags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NAMELESS", flags)
    before = files_open()
    with spooled(tmp_path, bytes(IN_MEMORY)) as spool:
        assert files_open() == before
        spool.write(b"x")
        assert files_open() == before + 1
        assert os.listdir(tmp_path) == []
        assert sum(map(len, spool.blocks())) == IN_MEMORY + 1
    assert files_open() == before


@pytest.mark.parametrize("folder", ["/no/such/folder", "/dev/null", "/proc"])
def test_a_folder_that_is_none(folder: str) -> None:
    with spooled(Path(folder), bytes(IN_MEMORY)) as spool, pytest.raises(SpoolError, match=folder):
        spool.write(b"x")


def test_the_disk_is_full(tmp_path: Path) -> None:
    """The limit is that of files of a process of its own."""
    script = (
        "from qmail_smtpd.programs.spool import *\n"
        "import os\n"
        f"spool = Spool({os.fsencode(tmp_path)!r})\n"
        "try:\n    [spool.write(bytes(100_000)) for _ in range(20)]\n"
        "except SpoolError as error:\n    print(error, spool.size)\n"
    )

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    argv = ["/usr/bin/python3", "-c", script]
    said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, preexec_fn=limited, timeout=60)
    assert said.stdout == f"cannot keep a message in {tmp_path}: File too large 1000000\n", said.stderr


def test_a_file_that_somebody_cuts(tmp_path: Path) -> None:
    with spooled(tmp_path, bytes(IN_MEMORY + 1)) as spool:
        os.truncate(spool._file, 10)
        with pytest.raises(SpoolError, match="shorter"):
            list(spool.blocks())
