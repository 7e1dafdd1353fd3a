"""bin/maildir-queue: a queue program that keeps every message in a Maildir (qmail-queue(8), maildir(5)).

The Maildir is $MAILDIR, else `Maildir` in the working directory (the qmail home); it is created if missing. A message
file begins with `Return-Path: <SENDER>` and a line `Delivered-To: RECIPIENT` for each recipient; the message follows
unchanged. Exit 0 promises that the file is complete in new/ and that file and folder are synced to disk; after any
other exit new/ is as it was. Memory does not grow with the message.

Exit codes are those of qmail-queue(8). 61: the Maildir cannot be created; 62: its tmp, new or cur cannot; 63 and 64: no
file can be created in tmp; 66: the file cannot be renamed into new. Control bytes in an address are written `_`, as
qmail-local does with a newline, so that an address cannot forge a header line.
"""

from __future__ import annotations

import posix

from . import queueprogram as queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE = 256  # lines that are written at once
_WITHOUT_CONTROLS = bytes(95 if byte < 32 or byte == 127 else byte for byte in range(256))


def main() -> int:
    """The program. Returns its exit code."""
    return queue.run(deliver)


def deliver() -> None:
    """Read one message and its envelope, and store them in the Maildir. Raises Failure."""
    maildir = posix.environ.get(b"MAILDIR") or b"Maildir"
    posix.umask(0o077)
    prepare(maildir)
    message = queue.spooled_message(maildir + b"/tmp")
    sender, recipients = queue.read_envelope()
    store(maildir, header(sender, recipients), message)


def header(sender: bytes, recipients: list[bytes]) -> Iterator[bytes]:
    """The envelope as header lines, in pieces."""
    yield b"Return-Path: <%b>\n" % queue.quoted(sender.translate(_WITHOUT_CONTROLS))
    for start in range(0, len(recipients), PIECE):
        piece = recipients[start : start + PIECE]
        yield b"".join(b"Delivered-To: %b\n" % address.translate(_WITHOUT_CONTROLS) for address in piece)


def prepare(maildir: bytes) -> None:
    """Create the Maildir and its three folders if they are missing. Raises Failure."""
    with queue.FailWith(queue.HOME_TROUBLE):
        _make_folder(maildir)
    with queue.FailWith(queue.FOLDER_TROUBLE):
        for name in (b"/tmp", b"/new", b"/cur"):
            _make_folder(maildir + name)


def _make_folder(path: bytes) -> None:
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        posix.stat(path + b"/.")  # raises OSError unless it is a folder
        return
    sync_folder(path + b"/..")  # otherwise a crash could lose the new folder with all that is in it


def store(maildir: bytes, head: Iterable[bytes], message: int) -> None:
    """Write `head` and the rest of the file `message` as one new message; on Failure nothing is left behind."""
    name = queue.unique_name()
    partial, complete = maildir + b"/tmp/" + name, maildir + b"/new/" + name
    with queue.FailWith(queue.FILE_TROUBLE):
        fd = queue.create(partial)
    try:
        with queue.FailWith(queue.WRITE_ERROR):
            for piece in head:
                queue.write(fd, piece)
        queue.copy(message, fd)
        with queue.FailWith(queue.WRITE_ERROR):
            posix.fsync(fd)
            posix.close(fd)
        queue.point_of_no_return()
        with queue.FailWith(queue.COMMIT_TROUBLE):
            posix.rename(partial, complete)
    except BaseException:
        _remove(partial)
        raise
    try:
        with queue.FailWith(queue.WRITE_ERROR):
            sync_folder(maildir + b"/new")
    except queue.Failure:
        _remove(complete)  # the client will send the message again
        raise


def sync_folder(path: bytes) -> None:
    """Sync the names in a folder to disk. Raises OSError."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.fsync(fd)
    finally:
        posix.close(fd)


def _remove(path: bytes) -> None:
    try:
        posix.unlink(path)
    except OSError:
        pass
