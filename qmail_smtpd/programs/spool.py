"""Temporary storage for a message that is not queued yet, in memory or in an unlinked file (SPEC section 14).

    spool = Spool(folder)
    spool.write(block)          append; raises SpoolError (the disk is full, or the folder is not writable)
    spool.size                  bytes written so far
    spool.blocks(start)         iterate over what was written, from byte `start` on, any number of times; raises
                                SpoolError
    spool.close()               drop everything

Up to IN_MEMORY bytes are kept in memory. Beyond that everything is in a file in `folder` that has no name, so that it
disappears however this process ends.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

IN_MEMORY = 256 << 10  # bytes
BLOCK = 64 << 10  # bytes read back at a time
_NEW = posix.O_RDWR | posix.O_CREAT | posix.O_EXCL
_NAMELESS = posix.O_RDWR | getattr(posix, "O_TMPFILE", posix.O_CREAT | posix.O_EXCL)


class SpoolError(Exception):
    """A message could not be stored or read back; the text says where and why."""


class Spool:
    """See the module's docstring."""

    def __init__(self, folder: bytes) -> None:
        self.size = 0
        self._folder = folder
        self._memory = bytearray()
        self._file = -1

    def write(self, block: bytes) -> None:
        if self._file < 0 and self.size + len(block) <= IN_MEMORY:
            self._memory += block
        else:
            self._write(block)
        self.size += len(block)

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        while start < self.size:
            block = self._read(start)
            yield block
            start += len(block)

    def close(self) -> None:
        self.size = 0
        self._memory = bytearray()
        if self._file >= 0:
            posix.close(self._file)
            self._file = -1

    def _write(self, block: bytes) -> None:
        try:
            if self._file < 0:
                self._file = _nameless_file(self._folder)
                _write_all(self._file, self._memory)
                self._memory = bytearray()
            _write_all(self._file, block)
        except OSError as error:
            raise self._trouble(error.strerror) from error

    def _read(self, start: int) -> bytes:
        if self._file < 0:
            return bytes(self._memory[start : start + BLOCK])
        try:
            block = posix.pread(self._file, BLOCK, start)
        except OSError as error:
            raise self._trouble(error.strerror) from error
        if not block:
            raise self._trouble("the file is shorter than it was")
        return block

    def _trouble(self, reason: str | None) -> SpoolError:
        return SpoolError(f"cannot keep a message in {self._folder.decode(errors='backslashreplace')}: {reason}")


def _nameless_file(folder: bytes) -> int:
    """A new file without a name. Raises OSError."""
    try:
        return posix.open(folder, _NAMELESS, 0o600)
    except OSError:
        # Without O_TMPFILE, or on a file system that does not support it: create a file and unlink it.
        path = b"%b/qmail-smtpd.%b" % (folder, posix.urandom(12).hex().encode())
        file = posix.open(path, _NEW, 0o600)
        posix.unlink(path)
        return file


def _write_all(file: int, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[posix.write(file, rest) :]
