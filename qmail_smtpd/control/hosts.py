"""The domains of this host: locals and rcpthosts, as text or as constant databases (SPEC sections 2 and 5).

A corrupt or unreadable `.cdb` raises ControlError; it is never treated as an empty one.

    keep()              from now on, databases stay open for later sessions while their files are unchanged: for workers
    descriptors()       the descriptors that these hold open
"""

from __future__ import annotations

from .files import ENOENT, ControlError, open_regular, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cdb import Reader
    from .config import Config
    from .files import ControlFiles, ListFile
    from .kept import Kept

_kept: Kept | None = None  # Database by path; None: each is opened anew


def keep() -> None:
    """See the module's docstring."""
    global _kept
    from .kept import Kept

    _kept = Kept()


def descriptors() -> set[int]:
    return {database.fileno() for database in _kept.values()} if _kept else set()


class Database:
    """A cdb file as a set of lower-case keys. Opened at once, read at the first look-up. Raises OSError; look-ups
    raise ControlError."""

    def __init__(self, path: bytes) -> None:
        self.path = path
        self._file = open_regular(path)
        self._cdb: Reader | None = None

    def __contains__(self, key: bytes) -> bool:
        from .cdb import Corrupt, Reader

        try:
            self._cdb = self._cdb or Reader(self._file)
            return key in self._cdb
        except Corrupt as error:
            raise ControlError(self.path, b"corrupt constant database") from error

    def line_of(self, key: bytes) -> bytes:
        return self.path

    def fileno(self) -> int:
        return self._file.fileno()


def open_database(control: ControlFiles, name: str) -> Database | None:
    """control/NAME, or None if there is none. Raises ControlError."""
    path = control.path(name)
    if not control.has(name):
        return None
    try:
        return _kept.get(path, [path], lambda: Database(path)) if _kept else Database(path)
    except OSError as error:
        if error.errno == ENOENT:
            return None
        raise ControlError(path, reason(error)) from error


class Hosts:
    """The domains of this host. Every file is opened at once; raises ControlError, as do the look-ups."""

    def __init__(self, config: Config) -> None:
        control = config.control
        self.locals: ListFile | Database = open_database(control, "locals.cdb") or config.locals
        whole = open_database(control, "rcpthosts.cdb")
        if whole:
            self.rcpthosts: list[ListFile | Database] = [whole]
        else:
            sources = (config.files["rcpthosts"], open_database(control, "morercpthosts.cdb"))
            self.rcpthosts = [source for source in sources if source is not None]

    def local(self, domain: bytes | None) -> bytes:
        """The line of locals that lists a domain (`control/locals:1`), b"" for none."""
        key = (domain or b"").lower()
        return self.locals.line_of(key) if key and key in self.locals else b""

    def takes(self, domain: bytes | None, nolocal: bool) -> bytes:
        """The line of locals or rcpthosts by which mail for a domain is accepted, b"" for none. `nolocal`: only
        rcpthosts counts."""
        return (b"" if nolocal else self.local(domain)) or self.accepted(domain)

    def accepted(self, domain: bytes | None) -> bytes:
        """The line of rcpthosts that lists a domain, or a suffix of it that begins with a dot; b"" for none."""
        key = (domain or b"").lower()
        while key:
            for source in self.rcpthosts:
                if key in source:
                    return source.line_of(key)
            dot = key.find(b".", 1)
            key = key[dot:] if dot > 0 else b""
        return b""
