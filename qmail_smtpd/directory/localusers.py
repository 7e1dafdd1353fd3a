"""Mailboxes that are not in the directory: users/cdb and the system users (SPEC section 8).

qmail-newu(8) makes users/cdb from users/assign: the key `!` local NUL is an exact assignment, `!` head (without NUL)
a wildcard one, and the empty key lists the bytes at which a head may end. As in qmail itself, upper-case letters count
as lower-case; a system user must not be root and must own his home; `user-extension` belongs to `user` as well.

Raises LocalLookupFailed when neither yes nor no can be said, also for a users/cdb without the empty key, which qmail
itself treats as damaged.
"""

from __future__ import annotations

import posix

from ..control.cdb import Corrupt, Reader
from ..control.files import ENOENT, open_regular, reason

DATABASE = b"users/cdb"
LONGEST_USER = 31  # bytes of a system user's name, as in qmail-getpw(8)
ENOTDIR = 20


class LocalLookupFailed(Exception):
    """The files or the system could not be asked; args[0] says what failed, as bytes for the log."""


def exists(local: bytes) -> bool:
    """Whether a local part has a mailbox of either kind. Raises LocalLookupFailed."""
    local = local.lower()
    return assigned(local) or any(system_user(name) for name in possible_users(local))


def assigned(local: bytes) -> bool:
    """Whether users/cdb assigns this lower-case local part. Raises LocalLookupFailed."""
    try:
        with open_regular(DATABASE) as file:
            return _in_database(Reader(file), b"!" + local)
    except OSError as error:
        if error.errno == ENOENT:
            return False
        raise LocalLookupFailed(DATABASE + b": " + reason(error)) from error
    except Corrupt as error:
        raise LocalLookupFailed(DATABASE + b": corrupt") from error


def _in_database(database: Reader, key: bytes) -> bool:
    ends = database.get(b"")
    if ends is None:
        raise LocalLookupFailed(DATABASE + b": no record of wildcards")
    if key + b"\0" in database:
        return True
    heads = (key[:length] for length in range(len(key), 0, -1))
    # `!` alone is the catch-all assignment `+:`, to which the list of bytes does not apply.
    return any((len(head) == 1 or head[-1] in ends) and head in database for head in heads)


def possible_users(local: bytes) -> list[bytes]:
    """The names a local part may belong to: the whole of it and each head before a dash, longest first."""
    ends = [len(local), *(place for place in range(len(local) - 1, -1, -1) if local[place] == 0x2D)]
    return [local[:end] for end in ends if 0 < end <= LONGEST_USER]


def system_user(name: bytes) -> bool:
    """Whether this is a system user who can get mail: not root, and owner of his home. Raises LocalLookupFailed."""
    import pwd

    try:
        user = pwd.getpwnam(name.decode())
    except (KeyError, UnicodeDecodeError):
        return False
    if user.pw_uid == 0:
        return False
    try:
        return posix.stat(user.pw_dir).st_uid == user.pw_uid
    except OSError as error:
        if error.errno in (ENOENT, ENOTDIR):
            return False
        raise LocalLookupFailed(name + b": home: " + str(error.strerror).encode()) from error
