"""Descriptors 0 to 2 as a super-server passes them (SPEC section 1).

inetd and xinetd pass the client's socket as fd 2 too; `log_is_client` tells. For a socket's addresses see peer.py.
"""

from __future__ import annotations

import posix

PASSING = (b"LISTEN_FDS", b"LISTEN_PID", b"LISTEN_FDNAMES")  # systemd's variables for sockets it passes
_S_IFMT, _S_IFSOCK = 0o170000, 0o140000


def is_socket(fd: int) -> bool:
    try:
        return posix.fstat(fd).st_mode & _S_IFMT == _S_IFSOCK
    except OSError:
        return False


def identity(fd: int) -> tuple[int, int]:
    """Device and inode: the same for two descriptors of one socket."""
    status = posix.fstat(fd)
    return status.st_dev, status.st_ino


def log_is_client() -> bool:
    """Whether fd 2 is the same socket as fd 0: then nothing may be logged there."""
    if not (is_socket(0) and is_socket(2)):
        return False
    return identity(0) == identity(2)


def silence_log() -> None:
    """Make fd 2 /dev/null, for this process and for every program that it starts. Raises OSError."""
    null = posix.open("/dev/null", posix.O_RDWR)
    posix.dup2(null, 2)
    posix.close(null)


def forget_passed(env: dict[bytes, bytes]) -> None:
    """Remove systemd's variables for passed sockets: programs that we start get no such sockets."""
    for name in PASSING:
        env.pop(name, None)
