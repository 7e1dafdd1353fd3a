"""The control files of POP before SMTP (SPEC section 11), and what pbsadd and pbscheck share.

Every function that reads a file raises ControlError if the file is required and missing, unreadable, or invalid. The
working directory is not changed, since the next program may be given by a relative path.
"""

from __future__ import annotations

import posix
import sys
from stat import S_ISSOCK

from ..control.files import ControlError, ControlFiles, control_of_home, list_lines, reason
from ..logs.log import Log
from ..smtp import ip
from .packet import LONGEST, MOST_ENTRIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal  # what `signal` wraps, at a tenth of the start-up

PORT = 2821
HIGHEST_PORT = 65535
ENOEXEC = 8
CODING = sys.getfilesystemencoding()


def control_files() -> ControlFiles:
    """The control folder of the qmail home."""
    return control_of_home(posix.environ)


def servers(control: ControlFiles) -> list[str]:
    """The addresses of the servers, in file order; at least one."""
    found = []
    for entry in list_lines(control.read("pbsservers") or b""):
        packed = packed_address(entry)
        if packed is None:
            raise ControlError(control.path("pbsservers"), b"not an IPv4 address: " + entry)
        found.append(ip.text(packed).decode())
    if not found:
        raise ControlError(control.path("pbsservers"), b"no servers")
    return found


def port(control: ControlFiles) -> int:
    """The UDP port of all servers."""
    number = control.number("pbsport", PORT)
    if not 0 < number <= HIGHEST_PORT:
        raise ControlError(control.path("pbsport"), b"not a port number")
    return number


def secret(control: ControlFiles) -> bytes:
    """The shared secret of pbsadd and pbsdbd, which must not be empty."""
    text = control.line("pbssecret") or b""
    if not 0 < len(text) <= LONGEST:
        raise ControlError(control.path("pbssecret"), b"missing, empty or longer than 255 bytes")
    return text


def secret_if_any(control: ControlFiles, log: Log) -> bytes:
    """The secret, b"" without one: then pbscheck asks without nonce and MAC."""
    try:
        return secret(control) if control.line("pbssecret") else b""
    except ControlError as error:
        log.line(b"answers are not authenticated: ", error.path, b": ", error.reason)
        return b""


def variables(control: ControlFiles) -> list[tuple[bytes, bytes, bytes]]:
    """The lines of pbsenv as (NAME, NEW, PREFIX): the variable, its name here, and what is put before its value."""
    found = []
    for entry in list_lines(control.read("pbsenv") or b""):
        name, _, rest = entry.partition(b"=")
        new, _, prefix = rest.partition(b"=")
        if not name:
            raise ControlError(control.path("pbsenv"), b"no name in the line " + entry)
        found.append((name, new or name, prefix))
    if len(found) > MOST_ENTRIES:
        raise ControlError(control.path("pbsenv"), b"more than 255 lines")
    return found


def packed_address(text: bytes | None) -> bytes | None:
    """The four bytes of an IPv4 address, also of an IPv4-mapped IPv6 address; None for everything else."""
    packed = ip.parse(text or b"")
    return packed if packed is not None and len(packed) == 4 else None


def client_address(env: dict[bytes, bytes]) -> bytes | None:
    """The four bytes of the client's IPv4 address, also if it is IPv4-mapped; None for IPv6, which the protocol does
    not support. Raises ControlError if TCPREMOTEIP is no address."""
    packed = ip.parse(ip.bare(env.get(b"TCPREMOTEIP", b"")))
    if packed is None:
        raise ControlError(b"$TCPREMOTEIP", b"not an IP address")
    return packed if len(packed) == 4 else None


def log_of(program: bytes) -> Log:
    """The log of a program that may run under a super-server, where fd 2 can be the client."""
    try:
        here, there = posix.fstat(2), posix.fstat(0)
        client = S_ISSOCK(here.st_mode) and (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
    except OSError:
        client = False
    return Log(program, 1, syslog=client)


def execute(argv: list[str], env: dict[bytes, bytes]) -> bytes:
    """Execute the program argv[0], searched for in PATH as execvp(3) does. Returns the reason if that fails."""
    # Python ignores these two, and programs inherit that: without SIGPIPE they may not end on a closed pipe.
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    name = argv[0].encode(CODING, "surrogateescape")
    folders = [b""] if b"/" in name else env.get(b"PATH", b"/bin:/usr/bin").split(b":")
    failure = OSError(2, posix.strerror(2))
    for folder in folders:
        path = folder + b"/" + name if folder else name
        try:
            _become(path, argv, env)
        except OSError as error:
            # "Not found" must not hide that an earlier folder has a program that we may not execute.
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
                failure = error
    return reason(failure)


def _become(path: bytes, argv: list[str], env: dict[bytes, bytes]) -> None:
    try:
        posix.execve(path, argv, env)
    except OSError as error:
        if error.errno != ENOEXEC:
            raise
        script = path.decode(CODING, "surrogateescape")  # a script without a #! line
        posix.execve(b"/bin/sh", ["/bin/sh", script, *argv[1:]], env)
