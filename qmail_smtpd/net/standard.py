"""Descriptors 0 to 2 as a super-server leaves them (SPEC section 1).

inetd and its kin give the client's socket to fd 2 as well; `log_is_client` tells. What a socket says of its ends is
peer.py's affair.
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
    status = posix.fstat(fd)
    return status.st_dev, status.st_ino


def log_is_client() -> bool:
    """Whether fd 2 is the very socket that fd 0 is: then nothing may be logged there."""
    if not (is_socket(0) and is_socket(2)):
        return False
    return identity(0) == identity(2)


def silence_log() -> None:
    """Point fd 2 away from the client, also for every program that is started from here."""
    null = posix.open("/dev/null", posix.O_RDWR)
    posix.dup2(null, 2)
    posix.close(null)


def forget_passed(env: dict[bytes, bytes]) -> None:
    """What was passed to us is not passed on: here the variables that tell of it."""
    for name in PASSING:
        env.pop(name, None)
