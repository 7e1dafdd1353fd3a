"""Control files: the formats of SPEC section 2, read from the `control` folder of the qmail home.

A missing file stands for its default. A file that exists but cannot be read raises ControlError, which names the file
and the reason. A NUL ends the line that it is in, as in every program of the qmail-ldap family. Contents are not
cached; the list of names in the folder is, for as long as a ControlFiles object lives, which is one session.
"""

from __future__ import annotations

import posix

from ..smtp.numbers import leading_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

DEFAULT_HOME = b"/var/qmail"  # where $QMAILHOME is not set
ENOENT, EINVAL = 2, 22
BLANKS = b" \t\r"  # removed at the end of a line
_S_IFMT, _S_IFREG = 0o170000, 0o100000
MOST_SEARCHES = 30  # look-ups in a list after which a table is made of it


class ControlError(Exception):
    """A control file that exists but cannot be used: its path and the reason, both as bytes for the log."""

    def __init__(self, path: bytes, reason: bytes) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason


def first_line(text: bytes) -> bytes:
    """The first line of a file: up to LF or NUL, without blanks, tabs and CR at its end."""
    return text.partition(b"\n")[0].partition(b"\0")[0].rstrip(BLANKS)


def list_lines(text: bytes) -> Iterator[bytes]:
    """The entries of a list file, in order, without BLANKS at their end: no empty lines, none that begin with '#'."""
    for line in text.split(b"\n"):
        entry = line.partition(b"\0")[0].rstrip(BLANKS)
        if entry and not entry.startswith(b"#"):
            yield entry


class ListFile:
    """A list file as a set, matched ASCII case-insensitively. The first MOST_SEARCHES look-ups search the text, which
    is faster than splitting 100,000 lines; after that, as for a message to thousands, a table is made."""

    def __init__(self, name: str, text: bytes) -> None:
        self.path = b"control/" + name.encode()
        self._raw = text
        self._text: bytes | None = None
        self._searches = 0
        self._table: dict[bytes, int] | None = None  # entry -> the number of its first line

    def __contains__(self, entry: bytes) -> bool:
        if self._table is not None:
            return entry.lower() in self._table
        return self._position(entry) >= 0

    def line_of(self, entry: bytes) -> bytes:
        """The place of an entry that is in the list, for logs: `control/NAME:LINE`."""
        if self._table is not None:
            line = self._table.get(entry.lower(), 0)
        else:
            position = self._position(entry)
            line = (self._text or b"").count(b"\n", 0, position + 1)  # the text begins with a LF of its own
        return b"%b:%d" % (self.path, line)

    def entries(self) -> list[bytes]:
        """All entries in order, as written."""
        return list(list_lines(self._raw))

    def _position(self, entry: bytes) -> int:
        if not entry or entry.startswith(b"#"):
            return -1
        if self._text is None:
            self._text = _searchable(self._raw)
        self._searches += 1
        if self._searches == MOST_SEARCHES:
            self._table = _table(self._text)
        return self._text.find(b"\n%b\n" % entry.lower())


def _searchable(text: bytes) -> bytes:
    """`text` in lower case, each line cut as list_lines does it and between two LF. Line numbers stay the same."""
    text = b"\n%b\n" % text.lower()
    if b"\0" in text or b" \n" in text or b"\t\n" in text or b"\r\n" in text:
        text = b"\n".join(line.partition(b"\0")[0].rstrip(BLANKS) for line in text.split(b"\n"))
    return text


def _table(searchable: bytes) -> dict[bytes, int]:
    table: dict[bytes, int] = {}
    for number, line in enumerate(searchable.split(b"\n")):
        if line and not line.startswith(b"#"):
            table.setdefault(line, number)
    return table


class ControlFiles:
    """The files of one `control` folder."""

    def __init__(self, folder: bytes = b"control") -> None:
        self.folder = folder
        self._names: frozenset[str] | None = None  # what is there, as it was at the first question

    def path(self, name: str) -> bytes:
        return b"%b/%b" % (self.folder, name.encode())

    def read(self, name: str) -> bytes | None:
        """The whole file as it stands, or None if there is none. Raises ControlError."""
        if not self.has(name):
            return None
        path = self.path(name)
        try:
            fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        except OSError as error:
            if error.errno == ENOENT:
                return None
            raise ControlError(path, reason(error)) from error
        try:
            blocks = [posix.read(fd, 65536)]
            while blocks[-1]:
                blocks.append(posix.read(fd, 65536))
        except OSError as error:
            raise ControlError(path, reason(error)) from error
        finally:
            posix.close(fd)
        return b"".join(blocks)

    def has(self, name: str) -> bool:
        """Whether there may be such a file. Most of the forty possible files do not exist: reading the folder once is
        cheaper than trying to open each."""
        if self._names is None:
            try:
                self._names = frozenset(each.decode(errors="replace") for each in posix.listdir(self.folder))
            except OSError:  # the folder may be searched but not listed: every file has to be tried
                self._names = frozenset()
        return name in self._names or not self._names or "/" in name

    def line(self, name: str, default: bytes | None = None) -> bytes | None:
        """A line file: its first line, which may be empty; `default` if there is no file."""
        text = self.read(name)
        return default if text is None else first_line(text)

    def number(self, name: str, default: int) -> int:
        """An int file: the digits its first line begins with; `default` if there are none."""
        text = self.read(name)
        return default if text is None else leading_number(first_line(text), default)

    def entries(self, name: str) -> ListFile | None:
        """A list file, or None if there is none."""
        text = self.read(name)
        return None if text is None else ListFile(name, text)


def home_of(env: Mapping[bytes, bytes]) -> bytes:
    """The path of the qmail home that the environment names."""
    return env.get(b"QMAILHOME") or DEFAULT_HOME


def control_of_home(env: Mapping[bytes, bytes]) -> ControlFiles:
    """The control files of the qmail home, for a program that does not change its working directory."""
    return ControlFiles(home_of(env) + b"/control")


def enter_home(env: Mapping[bytes, bytes]) -> bytes:
    """Change to the qmail home that the environment names; its path. Raises ControlError."""
    home = home_of(env)
    try:
        posix.chdir(home)
    except OSError as error:
        raise ControlError(home, reason(error)) from error
    return home


def open_regular(path: bytes) -> BinaryIO:
    """Open a regular file for reading. Raises OSError, also for anything else (reading a FIFO could block)."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    if posix.fstat(fd).st_mode & _S_IFMT == _S_IFREG:
        return open(fd, "rb")
    posix.close(fd)
    raise OSError(EINVAL, "not a regular file")


def reason(error: OSError) -> bytes:
    """The system's text for an error, for a log line."""
    return (error.strerror or str(error)).encode()
