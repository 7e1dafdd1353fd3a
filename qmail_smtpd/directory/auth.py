"""The program auth_smtp (SPEC section 8): is this the user's password?

Reads from fd 0 what a client sent, `login` NUL user NUL password NUL, or `plain` NUL response NUL, all in base64,
and answers on fd 1: `K` user NUL, `D` (wrong) or `Z` (malformed), exit code 0. Exit code 111 is a temporary
failure, without an answer.

A refusal does not tell its reason: an unknown user, a wrong password and a locked account take the same steps, and
the answer is written at the next multiple of TICK seconds, so that the time it took tells nothing either.
Passwords are never logged, at any level.
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


class BadCredentials(Exception):
    """What the client sent cannot be decoded into a user name and a password."""


class Undecided(Exception):
    """A temporary failure, already logged."""


def main() -> int:
    """Run the program: returns its exit code, raises nothing."""
    log = start(b"auth_smtp")
    try:
        enter_home(posix.environ)
        settings = Settings(ControlFiles())
        preload()  # takes some milliseconds, while the client is still being asked for its password
        answer = PasswordCheck(settings, log).answer(read_request())
        write_all(answer)
    except ControlError as error:
        log.say(ERROR, b"error: ", error.path, b": ", error.reason)
        return TEMPORARY
    except LACKING as error:
        log.line(b"cannot go on: ", described(error))  # whatever the level, or nobody learns which package is missing
        return TEMPORARY
    except (Undecided, OSError):
        return TEMPORARY
    return 0


def read_request() -> list[bytes]:
    """The parts of a request, which NULs end: mechanism and its two or one base64 texts; fewer if fd 0 ends earlier.

    Raises OSError."""
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
    """Authorization identity (may be empty), user and password of a complete request. Raises BadCredentials."""
    if len(parts) != PARTS.get(parts[0] if parts else b""):
        raise BadCredentials
    decoded = [base64.decoded(part) for part in parts[1:]]
    if parts[0] == b"plain" and decoded[0] is not None:
        words: list[bytes | None] = [*decoded[0].split(b"\0")]
    else:
        words = [b"", *decoded]
    if len(words) != 3:
        raise BadCredentials
    identity, user, password = words
    if identity is None or user is None or password is None or b"\0" in user + password:
        raise BadCredentials
    return identity, user, password


class PasswordCheck:
    """One request of a client, decided by the directory."""

    def __init__(self, settings: Settings, log: MaskLog) -> None:
        self._settings = settings
        self._log = log
        self._directory = Directory(settings, log)

    def answer(self, parts: list[bytes]) -> bytes:
        """What to write on fd 1 for the parts that `read_request` returned. Raises Undecided."""
        begin = monotonic()
        self._directory.begin()
        if parts and parts[0] not in PARTS:
            self._log.say(ERROR, b"error: unknown mechanism")  # not quoted: it may be anything, even a password
            raise Undecided
        try:
            identity, user, password = credentials(parts)
        except BadCredentials:
            self._log.say(WARNING, b"warning: malformed credentials")
            return MALFORMED
        # RFC 4616, section 2: no user may act for another one. The directory is not asked, and the user name is not
        # logged: a client that mixes up the fields could have its password there.
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
        # Checked last, so that a locked account takes as long as any other.
        return right and entry is not None and self._is_open(entry)

    def _binds(self, entry: Entry | None, password: bytes) -> bool:
        """Whether the server accepts a bind with the password. Raises Unavailable, Refused."""
        if entry is not None:
            return self._directory.authenticate(entry.dn, password)
        try:
            self._directory.authenticate(f"cn=nobody,{self._settings.base}".rstrip(","), password)
        except (Unavailable, Refused):
            pass  # there is no such user: this bind is made only to take as long as that of a user
        return False

    def _compares(self, entry: Entry | None, password: bytes) -> bool:
        """Whether the password matches a stored one. Raises Undecided."""
        stored = entry.values("userPassword") if entry else []
        if entry and not stored:
            advice = b"no userPassword, or we may not read it: see control/ldaplogin"
            self._log.say(WARNING, b"warning: ", entry.dn.encode(), b": ", advice)
        unknown = b""
        took_time = False
        for value in stored:
            try:
                if passwords.matches(password, value) and password:
                    return True
                took_time = took_time or passwords.is_slow(value)
            except passwords.UnknownScheme as error:
                unknown = error.args[0]
        if unknown and entry:
            self._log.say(ERROR, b"error: ", entry.dn.encode(), b": unknown password scheme ", unknown)
            raise Undecided
        if not took_time:
            passwords.spend_time(password)
        return False

    def _is_open(self, entry: Entry) -> bool:
        """Whether the account may log in. Raises Undecided."""
        values = entry.values("accountStatus")
        if len(values) > 1:
            self._log.say(ERROR, b"error: ", entry.dn.encode(), b": more than one accountStatus")
            raise Undecided
        return not values or values[0].strip().lower() not in LOCKED


def wait_for_tick(begin: float) -> None:
    """Sleep until a whole number of TICKs has passed since `begin` (time.monotonic)."""
    sleep(TICK - (monotonic() - begin) % TICK)
