"""The program auth_smtp (SPEC section 8): is this the user's password?

Reads from fd 0 what a client sent, `login` NUL user NUL password NUL, or `plain` NUL response NUL, all in base64,
and answers on fd 1: `K` user NUL, `D` (wrong) or `Z` (malformed), exit code 0. Exit code 111 is a temporary
failure, without an answer.

A failure tells nothing but that it is one: an unknown user, a wrong password and a locked account take the same
steps, and the answer leaves on the next multiple of TICK seconds, so that its time tells nothing either.
Passwords are in no log, at no level.
"""

from __future__ import annotations

import posix
from time import monotonic, sleep

from ..control.files import ControlError, ControlFiles, enter_home
from ..logs.log import described
from ..smtp import base64
from . import filters, passwords
from .client import Directory, Entry, Refused, TooMany, Unavailable
from .libldap import preload
from .program import ERROR, INFO, LACKING, WARNING, MaskLog, start, write_all
from .settings import Settings

TEMPORARY = 111
TICK = 0.5  # seconds: more than a usual hash takes, less than the pause that qmail-smtpd makes
LONGEST = 65536  # bytes of a request
LOCKED = (b"disabled", b"noaccess", b"deleted")
WRONG, MALFORMED = b"D", b"Z"
PARTS = {b"login": 3, b"plain": 2}


class Malformed(Exception):
    """The client's words are no user name and password."""


class Undecided(Exception):
    """A temporary failure, already logged."""


def main() -> int:
    """The program. Returns its exit code."""
    log = start(b"auth_smtp")
    try:
        enter_home(posix.environ)
        settings = Settings(ControlFiles())
        preload()  # while the client is still being asked
        answer = PasswordCheck(settings, log).answer(read_request())
        write_all(answer)
    except ControlError as error:
        log.say(ERROR, b"error: ", error.path, b": ", error.reason)
        return TEMPORARY
    except LACKING as error:
        log.line(b"cannot go on: ", described(error))
        return TEMPORARY
    except (Undecided, OSError):
        return TEMPORARY
    return 0


def read_request() -> list[bytes]:
    """The parts of a request, fewer if fd 0 ends before. Raises OSError."""
    data = b""
    while True:
        parts = data.split(b"\0")
        wanted = PARTS.get(parts[0], 1)
        if len(parts) > wanted or len(data) > LONGEST:
            return parts[:wanted]
        block = posix.read(0, 4096)
        if not block:
            return parts[:-1]
        data += block


def credentials(parts: list[bytes]) -> tuple[bytes, bytes, bytes]:
    """Authorization identity (may be empty), user and password of a complete request. Raises Malformed."""
    if len(parts) != PARTS.get(parts[0] if parts else b""):
        raise Malformed
    decoded = [base64.decoded(part) for part in parts[1:]]
    if parts[0] == b"plain" and decoded[0] is not None:
        words: list[bytes | None] = [*decoded[0].split(b"\0")]
    else:
        words = [b"", *decoded]
    if len(words) != 3:
        raise Malformed
    identity, user, password = words
    if identity is None or user is None or password is None or b"\0" in user + password:
        raise Malformed
    return identity, user, password


class PasswordCheck:
    """One question to the directory."""

    def __init__(self, settings: Settings, log: MaskLog) -> None:
        self._settings = settings
        self._log = log
        self._directory = Directory(settings, log)

    def answer(self, parts: list[bytes]) -> bytes:
        """What to write on fd 1. Raises Undecided."""
        begin = monotonic()
        self._directory.begin()
        if parts and parts[0] not in PARTS:
            self._log.say(ERROR, b"error: unknown mechanism")  # unnamed: what stands there may be anything
            raise Undecided
        try:
            identity, user, password = credentials(parts)
        except Malformed:
            self._log.say(WARNING, b"warning: malformed credentials")
            return MALFORMED
        # RFC 4616, section 2: we let nobody act for somebody else. Nobody is asked, and the user is in no log: a client
        # that mixes up the fields could have its password there.
        if not password or identity not in (b"", user):
            self._log.say(WARNING, b"warning: an empty password or another identity refused")
            wait_for_tick(begin)
            return WRONG
        try:
            right = self._is_right(user, password)
        finally:
            self._directory.close()
        if right:
            self._log.say(INFO, b"info: user ", user, b" authenticated")
            return b"K" + user + b"\0"
        self._log.say(WARNING, b"warning: user ", user, b" refused")
        wait_for_tick(begin)
        return WRONG

    def _is_right(self, user: bytes, password: bytes) -> bool:
        """Whether the user exists, may log in and has this password. Raises Undecided."""
        try:
            entry = self._directory.search(
                filters.of_user(user, self._settings.objectclass), ["userPassword", "accountStatus"]
            )
            right = self._binds(entry, password) if self._settings.rebind else self._compares(entry, password)
        except (TooMany, Unavailable, Refused) as error:
            raise Undecided from error
        # Looked at last, so that a locked account takes as long as any.
        return right and entry is not None and self._is_open(entry)

    def _binds(self, entry: Entry | None, password: bytes) -> bool:
        """Whether the server takes the password. Raises Unavailable, Refused."""
        if entry is not None:
            return self._directory.authenticate(entry.dn, password)
        try:
            self._directory.authenticate(f"cn=nobody,{self._settings.base}".rstrip(","), password)
        except (Unavailable, Refused):
            pass  # only its time counts: there is no such user
        return False

    def _compares(self, entry: Entry | None, password: bytes) -> bool:
        """Whether the password matches a stored one. Raises Undecided."""
        stored = entry.values("userPassword") if entry else []
        if entry and not stored:
            self._log.say(WARNING, b"warning: ", entry.dn.encode(), b": no userPassword, or not for us to read")
        unknown = b""
        worked = False
        for value in stored:
            try:
                if passwords.matches(password, value) and password:
                    return True
                worked = worked or passwords.is_dear(value)
            except passwords.UnknownScheme as error:
                unknown = error.args[0]
        if unknown and entry:
            self._log.say(ERROR, b"error: ", entry.dn.encode(), b": unknown password scheme ", unknown)
            raise Undecided
        if not worked:
            passwords.waste(password)
        return False

    def _is_open(self, entry: Entry) -> bool:
        """Whether the account may log in. Raises Undecided."""
        values = entry.values("accountStatus")
        if len(values) > 1:
            self._log.say(ERROR, b"error: ", entry.dn.encode(), b": more than one accountStatus")
            raise Undecided
        return not values or values[0].strip().lower() not in LOCKED


def wait_for_tick(begin: float) -> None:
    """Sleep until a whole number of ticks has passed since `begin`."""
    sleep(TICK - (monotonic() - begin) % TICK)
