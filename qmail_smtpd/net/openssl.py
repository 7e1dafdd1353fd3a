"""Settings of OpenSSL that ssl.SSLContext has no call for.

    control = controls(context)         SSL_CTX_ctrl of this context: (command, number, text) -> number
    keep_no_sessions(context)           let no client resume an earlier session

The pointer that OpenSSL needs is the first member of an SSLContext in all versions of CPython until 3.14. With others
`controls` raises NotImplementedError.
"""

from __future__ import annotations

import ssl
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Control = Callable[[int, int, bytes | None], int]

_SET_SESSION_CACHE_MODE, _OFF = 44, 0  # SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF


def preload() -> None:
    """For a parent that forks: import what `controls` needs."""
    import ctypes  # noqa: F401


def controls(context: ssl.SSLContext) -> Control:
    """See the module's docstring. Raises whatever ctypes raises, too."""
    if sys.implementation.name != "cpython" or sys.version_info >= (3, 15):
        raise NotImplementedError
    import _ssl
    import ctypes

    library = ctypes.CDLL(_ssl.__file__)  # the OpenSSL that Python uses, should the system have several
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    library.SSL_CTX_get_options.argtypes = [ctypes.c_void_p]
    library.SSL_CTX_get_options.restype = ctypes.c_uint64
    if library.SSL_CTX_get_options(pointer) & 0xFFFFFFFF != int(context.options) & 0xFFFFFFFF:
        raise RuntimeError("the pointer is not that of the context")  # a check before anything is changed through it
    library.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    library.SSL_CTX_ctrl.restype = ctypes.c_long

    def control(command: int, number: int, text: bytes | None) -> int:
        return int(library.SSL_CTX_ctrl(pointer, command, number, text))

    return control


def keep_no_sessions(context: ssl.SSLContext) -> None:
    """A context that serves several clients would remember their sessions, certificates included, and a TLS 1.2 client
    could resume one under another server name. Where this cannot be set that stays so, without harm. Raises nothing."""
    try:
        controls(context)(_SET_SESSION_CACHE_MODE, _OFF, None)
    except Exception:
        pass
