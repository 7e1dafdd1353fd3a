"""A cache of the directory's answers, in an SQLite file that all processes of this home share (control/ldapcache).

The file is cache/ldap.sqlite3 in the home; the folder is made if its permissions allow that. It holds outcomes of
searches for addresses (lookup.py), found or not, each with its time, and never a password. An outcome younger than
the configured age replaces a search; one up to OLD_AGES times that old is used when no server answers.

No function raises an exception, and all statements of a process together wait at most LOCK_TIMEOUT seconds for
processes that hold the file. After that a warning is logged once, and the process writes no more but goes on reading.
It goes on without the cache when the file is damaged or cannot be made, or when users other than root and its own
could write to it. Outcomes too old for any use are deleted, and at LARGEST pages the oldest ones.
"""

from __future__ import annotations

import posix
import sqlite3
from time import monotonic, time

from ..control.places import trouble
from .program import WARNING, MaskLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .settings import Settings

FOLDER = "cache"
FILE = "cache/ldap.sqlite3"
LOCK_TIMEOUT = 0.1  # seconds
UNDISTURBED = 0.005  # seconds: a statement that took less did not wait for another process
OLD_AGES = 10
LARGEST = 16384  # pages of 4096 bytes
OLDEST = 1000  # outcomes that are deleted when the file is full
SKEW = 300.0  # seconds that the time of an outcome may lie in the future: clocks are set back
_TABLE = (
    "CREATE TABLE IF NOT EXISTS outcome (question BLOB PRIMARY KEY, outcome BLOB NOT NULL, time REAL NOT NULL)"
    " WITHOUT ROWID"
)
_INDEX = "CREATE INDEX IF NOT EXISTS outcome_time ON outcome (time)"


class Cache:
    """The shared file, opened when first used."""

    def __init__(self, settings: Settings, log: MaskLog) -> None:
        self._age = settings.cache_seconds
        # The same address is another question under another base or object class.
        self._prefix = f"{settings.base}\0{settings.objectclass}\0".encode()
        self._log = log
        self._database: sqlite3.Connection | None = None
        self._off = self._read_only = False
        self._left = LOCK_TIMEOUT
        self._cleaned = False

    def fresh(self, address: bytes) -> bytes:
        """The outcome for an address if it is young enough to replace a search, else b""."""
        return self._younger_than(self._age, address)

    def usable(self, address: bytes) -> bytes:
        """The outcome for an address if it is young enough for use while no server answers, else b""."""
        return self._younger_than(self._age * OLD_AGES, address)

    def keep(self, address: bytes, outcome: bytes) -> None:
        """Store what a search has just found."""
        now = time()
        if not self._cleaned:
            self._cleaned = True
            self._write("DELETE FROM outcome WHERE time < ? OR time > ?", now - self._age * OLD_AGES, now + SKEW)
        self._write("INSERT OR REPLACE INTO outcome VALUES (?, ?, ?)", self._question(address), outcome, now)

    def close(self) -> None:
        """Close the file; the cache is off from now on."""
        self._off = True
        if self._database is not None:
            try:
                self._database.close()
            except sqlite3.Error:
                pass
            self._database = None

    def _younger_than(self, age: float, address: bytes) -> bytes:
        now = time()
        rows = self._execute(
            "SELECT outcome FROM outcome WHERE question = ? AND time > ? AND time <= ?",
            self._question(address),
            now - age,
            now + SKEW,
        )
        outcome = rows[0][0] if rows else b""
        return outcome if isinstance(outcome, bytes) else b""

    def _question(self, address: bytes) -> bytes:
        """The key of an address: lower-case, since the attributes that are searched ignore case too."""
        return self._prefix + address.lower()

    def _write(self, statement: str, *values: object) -> None:
        """Execute a statement that changes something, unless this process writes no more."""
        if self._read_only:
            return
        try:
            self._rows(statement, *values)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                self._execute(
                    "DELETE FROM outcome WHERE question IN (SELECT question FROM outcome ORDER BY time LIMIT ?)", OLDEST
                )
            elif self._database is not None and error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                self._read_only = True
                self._warn(error, b"writing no more")
            else:
                self._give_up(error)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def _execute(self, statement: str, *values: object) -> list[Any]:
        """The rows of one statement, its transaction done; none if the cache is off or now turns itself off."""
        try:
            return self._rows(statement, *values)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
            return []

    def _rows(self, statement: str, *values: object) -> list[Any]:
        """The rows of one statement. Raises sqlite3.Error, OSError."""
        if self._off:
            return []
        begin = monotonic()
        try:
            return self._opened().execute(statement, values).fetchall()
        finally:
            self._charge(monotonic() - begin)

    def _opened(self) -> sqlite3.Connection:
        """The database, opened and made at the first call. Raises sqlite3.Error, OSError."""
        if self._database is None:
            try:
                posix.mkdir(FOLDER, 0o700)
            except FileExistsError:
                pass
            for name in (FILE, FILE + "-wal", FILE + "-shm"):
                unsafe = trouble(name)
                if unsafe:
                    raise OSError(unsafe)
            # Four statements open it, and each may have to wait: they share the timeout.
            database = sqlite3.connect(FILE, timeout=LOCK_TIMEOUT / 4, isolation_level=None)
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", _TABLE, _INDEX):
                database.execute(statement)
            database.execute(f"PRAGMA max_page_count = {LARGEST}")
            self._database = database
            self._set_busy_timeout()
        return self._database

    def _charge(self, seconds: float) -> None:
        """Subtract the time that a statement waited for other processes from what is left of the timeout."""
        if seconds > UNDISTURBED:
            self._left = max(0.0, self._left - seconds)
            self._set_busy_timeout()

    def _set_busy_timeout(self) -> None:
        """With no time left a statement that would have to wait fails at once."""
        if self._database is not None:
            self._database.execute(f"PRAGMA busy_timeout = {int(self._left * 1000)}")

    def _give_up(self, error: Exception) -> None:
        self._warn(error, b"going without a cache")
        self.close()

    def _warn(self, error: Exception, consequence: bytes) -> None:
        self._log.say(WARNING, b"warning: ", FILE.encode(), b": ", str(error).encode(), b": ", consequence)
