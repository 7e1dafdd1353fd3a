"""What libopendkim says of messages: a program of its own, so that trouble in C ends nothing else.

Standard input is JSON, [[message with CRLF in base64, {name: record}], ..]; output a list of results for each message:
pass, fail (it was computed, and is wrong) or the number of the library's reason not to. See opendkim/dkim.h.
"""

from __future__ import annotations

import ctypes
import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_void_p
from tempfile import NamedTemporaryFile

SETOPT, QUERYMETHOD, QUERYINFO, FROM_FILE = 1, 6, 7, 1
PROCESSED, PASSED = 0x02, 0x04  # flags of a signature
BODY_MATCHES = 0

lib = ctypes.CDLL("libopendkim.so.11")
lib.dkim_init.restype = c_void_p
lib.dkim_verify.restype = c_void_p
lib.dkim_init.argtypes = [c_void_p, c_void_p]
lib.dkim_options.argtypes = [c_void_p, c_int, c_int, c_void_p, c_size_t]
lib.dkim_verify.argtypes = [c_void_p, c_char_p, c_void_p, c_void_p]
lib.dkim_header.argtypes = lib.dkim_body.argtypes = [c_void_p, c_char_p, c_size_t]
lib.dkim_eoh.argtypes = lib.dkim_free.argtypes = lib.dkim_close.argtypes = [c_void_p]
lib.dkim_eom.argtypes = [c_void_p, c_void_p]
lib.dkim_getsiglist.argtypes = [c_void_p, c_void_p, c_void_p]
lib.dkim_sig_process.argtypes = [c_void_p, c_void_p]
lib.dkim_sig_getflags.argtypes = lib.dkim_sig_geterror.argtypes = lib.dkim_sig_getbh.argtypes = [c_void_p]
lib.dkim_sig_getflags.restype = c_uint


@contextmanager
def opened(keys: dict[str, str]) -> Iterator[int]:
    """A library that knows these keys and no others."""
    with NamedTemporaryFile("w", encoding="latin1", suffix=".keys") as file:
        file.writelines(f"{name} {record}\n" for name, record in keys.items())
        file.flush()
        library = lib.dkim_init(None, None)
        path = c_char_p(file.name.encode())
        lib.dkim_options(library, SETOPT, QUERYMETHOD, byref(c_int(FROM_FILE)), ctypes.sizeof(c_int))
        lib.dkim_options(library, SETOPT, QUERYINFO, path, len(file.name) + 1)
        yield library
        lib.dkim_close(library)


def verified(library: int, message: bytes) -> list[str]:
    header, _, body = message.partition(b"\r\n\r\n")
    status = c_int()
    handle = lib.dkim_verify(library, b"id", None, byref(status))
    try:
        for line in header.replace(b"\r\n ", b"\0 ").replace(b"\r\n\t", b"\0\t").split(b"\r\n"):
            whole = line.replace(b"\0", b"\r\n")
            lib.dkim_header(handle, whole, len(whole))
        lib.dkim_eoh(handle)
        lib.dkim_body(handle, body, len(body))
        lib.dkim_eom(handle, None)
        return signatures(handle)
    finally:
        lib.dkim_free(handle)


def signatures(handle: int) -> list[str]:
    found, count = c_void_p(), c_int()
    if lib.dkim_getsiglist(handle, byref(found), byref(count)):
        return []
    results = []
    for signature in ctypes.cast(found, ctypes.POINTER(c_void_p))[: count.value]:
        if not lib.dkim_sig_getflags(signature) & PROCESSED:
            lib.dkim_sig_process(handle, signature)
        results.append(result(signature))
    return results


def result(signature: int) -> str:
    flags = lib.dkim_sig_getflags(signature)
    error = lib.dkim_sig_geterror(signature)
    if error:
        return str(error)
    passed = flags & PASSED and lib.dkim_sig_getbh(signature) == BODY_MATCHES
    return "pass" if passed else "fail"


def answers(message: str, keys: dict[str, str]) -> list[str]:
    with opened(keys) as library:
        return verified(library, b64decode(message))


if __name__ == "__main__":
    json.dump([answers(*world) for world in json.load(sys.stdin)], sys.stdout)
