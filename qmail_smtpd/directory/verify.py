"""The program qmail-verify (SPEC section 8): addresses on fd 0, each ended by NUL; answers on fd 1.

An answer is `K`, or `D` text NUL, or `Z` text NUL, in the order of the questions. The LDAP connection is opened
for the first address and closed after IDLE seconds without one. Exit codes: 0 when fd 0 ends, 1 when fd 0 or 1
fails, 100 when the home or the control files are unusable.

libldap takes longer to load than a search takes, so it is loaded while there is nothing to answer; and
an address that is there already is first looked for in the cache, if there is one.
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

IDLE = 5.0  # seconds
UNUSABLE = 100


def main() -> int:
    """The program. Returns its exit code."""
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
        return 1  # whoever asked is gone
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


STRIDE = 8  # addresses between two looks ahead


class Dialogue:
    """Questions and answers until fd 0 ends."""

    def __init__(self, lookup: AddressLookup, directory: Directory, log: MaskLog) -> None:
        self._lookup = lookup
        self._directory = directory
        self._log = log
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)

    def run(self) -> None:
        """Raises OSError when fd 0 or fd 1 fails."""
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
        """Until fd 0 has something to say; an idle connection is closed meanwhile."""
        if self._poll.poll(IDLE * 1000 if self._directory.is_open else None):
            return
        self._directory.close()
        self._poll.poll()

    def _answer(self, address: bytes) -> bytes:
        answer = self._lookup.answer(address)
        self._log.say(TRACE, b"trace: ", address, b": ", answer)
        return answer if answer == b"K" else answer + b"\0"
