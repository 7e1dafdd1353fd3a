"""One verification of a signed message by one implementation: a program of its own for bench/signatures.py.

    dkim_verify.py ours|opendkim|dkimpy MESSAGE RECORD

MESSAGE is a file with LF line ends, RECORD one with the key's TXT record. It is done once, so that all is imported and
ready, and once more: standard output is that one's CPU and wall seconds. What is not counted is reading the file and
splitting it into what each is given: fields and a body, or the whole with CRLF. It must pass.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

BLOCK = 65536
NOW = 1_800_000_000


NAME = "one._domainkey.example.org"


def ours(message: bytes, record: bytes) -> Callable[[], bool]:
    from qmail_smtpd.mailauth import dkim
    from tests.mailauth.signer import split

    fields, body = split(message)

    def blocks() -> Iterator[bytes]:
        return (body[at : at + BLOCK] for at in range(0, len(body), BLOCK))

    def verify() -> bool:
        (result,) = dkim.verify(fields, blocks, lambda name, rtype: [record], NOW)
        return result.value == "pass"

    return verify


def opendkim(message: bytes, record: bytes) -> Callable[[], bool]:
    from tests.mailauth.peer_opendkim import opened, verified

    text = message.replace(b"\n", b"\r\n")

    def verify() -> bool:
        with opened({NAME: record.decode()}) as library:
            return verified(library, text) == ["pass"]

    return verify


def dkimpy(message: bytes, record: bytes) -> Callable[[], bool]:
    import dkim

    text = message.replace(b"\n", b"\r\n")
    return lambda: bool(dkim.verify(text, dnsfunc=lambda name, timeout=5: record))


def main() -> None:
    who, message, record = sys.argv[1:]
    verify = globals()[who](Path(message).read_bytes(), Path(record).read_bytes())
    for _ in range(2):
        cpu, wall = time.process_time(), time.perf_counter()
        if not verify():
            sys.exit(f"{who}: no pass")
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(cpu, wall)


if __name__ == "__main__":
    main()
