"""Which domains are ours: locals and rcpthosts, as text or as constant databases (SPEC sections 2 and 5).

A corrupt or unreadable `.cdb` raises ControlError: it never means "not listed", let alone "listed".
"""

from __future__ import annotations

from .files import ENOENT, ControlError, open_regular, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cdb import Reader
    from .config import Config
    from .files import ControlFiles, ListFile


class Database:
    """A cdb file as a set of lower-case keys. Opened when made, read when first asked."""

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


def open_database(control: ControlFiles, name: str) -> Database | None:
    """control/NAME, or None if there is none. Raises ControlError."""
    path = control.path(name)
    if not control.has(name):
        return None
    try:
        return Database(path)
    except OSError as error:
        if error.errno == ENOENT:
            return None
        raise ControlError(path, reason(error)) from error


class Hosts:
    """The domains of this host, each source opened at start."""

    def __init__(self, config: Config) -> None:
        control = config.control
        self.locals: ListFile | Database | None = open_database(control, "locals.cdb") or config.locals
        whole = open_database(control, "rcpthosts.cdb")
        if whole:
            self.rcpthosts: list[ListFile | Database] = [whole]
        else:
            sources = (config.files["rcpthosts"], open_database(control, "morercpthosts.cdb"))
            self.rcpthosts = [source for source in sources if source is not None]

    def local(self, domain: bytes | None) -> bytes:
        """Where in locals a domain stands (`control/locals:1`), b"" if it does not."""
        key = (domain or b"").lower()
        if key and self.locals is not None and key in self.locals:
            return self.locals.line_of(key)
        return b""

    def takes(self, domain: bytes | None, nolocal: bool) -> bytes:
        """Where it stands that mail for a domain is taken, b"" if nowhere. `nolocal`: locals do not count."""
        return (b"" if nolocal else self.local(domain)) or self.accepted(domain)

    def accepted(self, domain: bytes | None) -> bytes:
        """Where in rcpthosts a domain, or a suffix of it that begins with a dot, stands; b"" if nowhere."""
        key = (domain or b"").lower()
        while key:
            for source in self.rcpthosts:
                if key in source:
                    return source.line_of(key)
            dot = key.find(b".", 1)
            key = key[dot:] if dot > 0 else b""
        return b""
