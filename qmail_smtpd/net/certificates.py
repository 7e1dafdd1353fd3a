"""Server certificates: which files, and an SSLContext made of them (SPEC sections 2 and 10).

`control/smtpcert` (or $SSLCERT) names a PEM file with the chain, leaf first. The key is in the same file or beside
it: FILE.key, the name with .key for its ending, or privkey.pem in the same folder. `control/servercerts/NAME.pem`
is for clients that ask for NAME (SNI, RFC 6066). `control/clientca.pem` lets clients show a certificate; one that
it does not vouch for ends the handshake.

What the files say when they are needed counts; a context is kept as long as they are the same. A certificate that is
out of its time is served and complained of: most senders do not look at it, and no TLS at all helps nobody. None may be
protected by a passphrase: OpenSSL would ask for it on the terminal or, without one, of the client on fd 0. From the
first key on, no core of this process is written.

Raises Unusable, whose text names the file and the trouble.
"""

from __future__ import annotations

import os
import ssl
import stat
from binascii import a2b_base64
from time import gmtime, strftime

from ..control.kept import Kept
from ..control.secrets import no_core
from .groups import restrict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..control.config import Config

SERVERCERTS = "control/servercerts"
CLIENT_CA = "control/clientca.pem"
LARGEST = 1 << 20  # bytes of a PEM file

# Names that control/tlsciphers may give instead of an OpenSSL cipher string.
CIPHERS = {
    "secure": "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL",
    "compat": "HIGH:!aNULL:!kRSA:!kPSK:!kSRP:!AESCCM8:!ARIA",
    "legacy": "HIGH:MEDIUM:!aNULL:@SECLEVEL=0",
    "insecure": "ALL:!aNULL:!eNULL:@SECLEVEL=0",
}
CIPHERS["default"] = CIPHERS["secure"]
OLD_PROTOCOLS = ("legacy", "insecure")  # with these TLS 1.0 and 1.1 are spoken too, and finite fields are taken
DH_PARAMETERS = {"auto": "dh-2048.pem", "legacy": "dh-1024.pem"}

_kept = Kept()  # contexts: path and settings -> (context, text of the certificate)


class Unusable(Exception):
    """A certificate, key or setting that cannot be used."""


def server_context(config: Config, complain: Callable[[str], None]) -> ssl.SSLContext:
    """The context for this session's default certificate; it changes to another when the client names one.

    One of these that cannot be used is told to `complain`: the default certificate is better than none.
    """
    if not config.certificate:
        raise Unusable("control/smtpcert: no certificate configured")
    context = _context(config, os.fsdecode(config.certificate), complain)

    def choose(engine: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        path = named_certificate(name or "")
        if path:
            try:
                engine.context = _context(config, path, complain)
            except Unusable as trouble:
                complain(f"server name: {trouble}")

    context.sni_callback = choose
    return context


def named_certificate(name: str) -> str:
    """The certificate file of a server name, "" without one. Only what a host name is made of gets into a path."""
    name = name.lower().rstrip(".")
    if not name or name.startswith(".") or not name.replace("-", "").replace(".", "").isalnum() or not name.isascii():
        return ""
    path = f"{SERVERCERTS}/{name}.pem"
    return path if os.path.isfile(path) else ""


def _context(config: Config, path: str, complain: Callable[[str], None]) -> ssl.SSLContext:
    """Out of the files as they are, or as it was made of the same files before."""
    settings = config.tlsciphers, config.tlsdheparams
    files = [path, *_keys(path), CLIENT_CA]
    context, text = _kept.get((path, settings), files, lambda: _new_context(config, path, complain))
    trouble = out_of_time(text)
    if trouble:
        complain(f"{path}: {trouble}")
    return context


def _new_context(config: Config, path: str, complain: Callable[[str], None]) -> tuple[ssl.SSLContext, bytes]:
    """And the text of the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # No other process could take a session up again: its ticket key ends with this one.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    # An end without close_notify is an error, also in the handshake: the client gets an alert for it.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    _load_settings(context, config, complain)
    text = _load_certificate(context, path)
    _load_client_ca(context)
    return context, text


def _load_settings(context: ssl.SSLContext, config: Config, complain: Callable[[str], None]) -> None:
    ciphers, dh = config.tlsciphers.decode("latin1"), config.tlsdheparams.decode("latin1")
    old = ciphers.lower() in OLD_PROTOCOLS
    wanted = CIPHERS.get(ciphers.lower(), ciphers)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED if old else ssl.TLSVersion.TLSv1_2
    with _Blaming("control/tlsciphers"):
        context.set_ciphers(wanted if old else wanted + ":!kDHE")
    trouble = "" if old else restrict(context)
    if trouble:
        complain(trouble)
    if old and dh in DH_PARAMETERS:
        with _Blaming("control/tlsdheparams"):
            context.load_dh_params(os.path.join(os.path.dirname(__file__), DH_PARAMETERS[dh]))


def _load_certificate(context: ssl.SSLContext, path: str) -> bytes:
    """The text of its file."""
    no_core()
    with _Blaming(path):
        text = read_pem(path)
        validity(text)
    key = key_of(path, text)
    if key != path:
        with _Blaming(key):
            read_pem(key)
    with _Blaming(path if key == path else f"{path} with {key}"):
        context.load_cert_chain(path, key, password=_no_passphrase)
    return text


def _load_client_ca(context: ssl.SSLContext) -> None:
    if os.path.lexists(CLIENT_CA):
        with _Blaming(CLIENT_CA):
            read_pem(CLIENT_CA)
            context.load_verify_locations(CLIENT_CA)
        context.verify_mode = ssl.CERT_OPTIONAL


class _Blaming:
    """Trouble inside becomes Unusable and is that of one file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, ValueError)):  # ssl.SSLError is an OSError
            raise Unusable(f"{self._path}: {cause(error)}") from error


def cause(error: Exception) -> str:
    """What an error is about, without the innards of the library that noticed it."""
    reason = getattr(error, "reason", None)
    if reason == "NO_CERTIFICATE_ASSIGNED":
        return "the key is of another kind than the certificate"
    if isinstance(error, ssl.SSLError) and isinstance(reason, str):
        return reason.replace("_", " ").lower()
    # Some errors of ssl are a tuple of a tuple of a text.
    return getattr(error, "strerror", None) or str(error).strip("(',)") or type(error).__name__


def _no_passphrase() -> str:
    raise ValueError("protected by a passphrase")


def read_pem(path: str) -> bytes:
    """The text of a PEM file. Raises OSError, and ValueError for a file that could keep us waiting."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("not a regular file")
    with open(path, "rb") as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError("too large for a certificate file")
    if b"BEGIN ENCRYPTED" in text or b",ENCRYPTED" in text:
        raise ValueError("protected by a passphrase")
    return text


def key_of(path: str, text: bytes) -> str:
    """Where the key of a certificate file is, which may be the file itself."""
    if b"PRIVATE KEY-----" in text:
        return path
    for key in _keys(path):
        if os.path.exists(key):
            return key
    raise Unusable(f"{path}: no private key in it or beside it")


def _keys(path: str) -> tuple[str, ...]:
    """Where the key may be, if it is not in the file itself."""
    return path + ".key", os.path.splitext(path)[0] + ".key", os.path.join(os.path.dirname(path), "privkey.pem")


def out_of_time(text: bytes) -> str:
    """What is wrong if the first certificate has expired or is not valid yet, else ""."""
    start, end = validity(text)
    now = strftime("%Y%m%d%H%M%SZ", gmtime())
    if now > end:
        return f"the certificate expired on {_date(end)}"
    return f"the certificate is valid only from {_date(start)} on" if now < start else ""


def _date(time: str) -> str:
    return f"{time[:4]}-{time[4:6]}-{time[6:8]}"


def validity(text: bytes) -> tuple[str, str]:
    """From when until when the first certificate of a PEM text is valid, as YYYYMMDDHHMMSSZ.

    The standard library only looks into certificates of peers. Here it is RFC 5280 section 4.1: Certificate and
    TBSCertificate are entered; version (if any), serialNumber, signature and issuer passed; then comes Validity.
    """
    _, found, rest = text.partition(b"CERTIFICATE-----")
    if not found:
        raise ValueError("no certificate in it")
    try:
        der = a2b_base64(rest.partition(b"-----END")[0])
        at = _contents(der, _contents(der, 0)[0])[0]
        for _ in range(4 if der[at] == 0xA0 else 3):
            at = _contents(der, at)[1]
        begin, middle = _contents(der, _contents(der, at)[0])
        second, end = _contents(der, middle)
        return _full_year(der[begin:middle]), _full_year(der[second:end])
    except (IndexError, ValueError) as error:
        raise ValueError("the certificate in it is damaged") from error


def _contents(der: bytes, at: int) -> tuple[int, int]:
    """Where the contents of the element that stands at `at` begin and end."""
    length, begin = der[at + 1], at + 2
    if length & 0x80:
        more = length & 0x7F
        length, begin = int.from_bytes(der[begin : begin + more], "big"), begin + more
    return begin, begin + length


def _full_year(time: bytes) -> str:
    """UTCTime (two digits of the year, from 1950 on) or GeneralizedTime as the latter."""
    text = time.decode("ascii")
    if not text[:-1].isdigit() or len(text) not in (13, 15):
        raise ValueError(text)
    return text if len(text) == 15 else ("20" if text < "50" else "19") + text
