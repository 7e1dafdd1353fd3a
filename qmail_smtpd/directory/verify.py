"""The program qmail-verify (SPEC section 8): addresses on fd 0, each ended by NUL; answers on fd 1.

An answer is `K`, or `D` text NUL, or `Z` text NUL (lookup.py), in the order of the addresses. The LDAP connection is
opened for the first address and closed after IDLE seconds without one. Exit codes: 0 when fd 0 ends, 1 when fd 0 or
fd 1 fails, 100 when the home, the control files or a package are unusable.

Loading libldap takes longer than a search, so it is loaded while no address is there yet; one that is there at the
start is first looked up in the cache, if there is one, which may make libldap unnecessary.
"""

from __future__ import annotations

import posix
import select

from ..control.files import ControlError, ControlFiles, enter_home
from ..logs.log import described
from .client import Directory
from .libldap import preload
from .lookup import AddressLookup
from .program import ERROR, LACKING, TRACE, MaskLog, start, write_all
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cache import Cache

IDLE = 5.0  # seconds without a question after which the connection is closed
UNUSABLE = 100
STRIDE = 8  # addresses after which the next ones are sent to the server ahead


def main() -> int:
    """Run the program: returns its exit code, raises nothing that can be expected."""
    log = start(b"qmail-verify")
    try:
        enter_home(posix.environ)
        settings = Settings(ControlFiles())
    except ControlError as error:
        log.say(ERROR, b"error: ", error.path, b": ", error.reason)
        return UNUSABLE
    directory = Directory(settings, log)
    cache = _cache(settings, log)
    try:
        Dialogue(AddressLookup(settings, directory, log, cache), directory, log).run()
    except LACKING as error:
        log.line(b"cannot go on: ", described(error))
        return UNUSABLE
    except OSError:
        return 1  # qmail-smtpd has ended
    finally:
        directory.close()
        if cache:
            cache.close()
    return 0


def _cache(settings: Settings, log: MaskLog) -> Cache | None:
    if not settings.cache_seconds:
        return None
    from .cache import Cache

    return Cache(settings, log)


class Dialogue:
    """Answers the addresses on fd 0 until it ends."""

    def __init__(self, lookup: AddressLookup, directory: Directory, log: MaskLog) -> None:
        self._lookup = lookup
        self._directory = directory
        self._log = log
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)

    def run(self) -> None:
        """Answer until fd 0 ends. Raises OSError when fd 0 or fd 1 fails."""
        if not self._poll.poll(0):
            preload()
        pending = b""
        while True:
            self._wait()
            block = posix.read(0, 4096)
            if not block:
                return
            *addresses, pending = (pending + block).split(b"\0")
            for number, address in enumerate(addresses):
                if number % STRIDE == 0:
                    self._lookup.send_ahead(addresses[number : number + 2 * STRIDE])
                write_all(self._answer(address))

    def _wait(self) -> None:
        """Wait until fd 0 can be read; an idle connection is closed meanwhile."""
        if self._poll.poll(IDLE * 1000 if self._directory.is_open else None):
            return
        self._directory.close()
        self._poll.poll()

    def _answer(self, address: bytes) -> bytes:
        answer = self._lookup.answer(address)
        self._log.say(TRACE, b"trace: ", address, b": ", answer)
        return answer if answer == b"K" else answer + b"\0"
