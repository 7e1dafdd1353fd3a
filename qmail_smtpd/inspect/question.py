"""The command line of qmail-smtpd-explain: the client that it describes, and the commands that this client sends."""

from __future__ import annotations

import os

from ..control.files import DEFAULT_HOME
from ..smtp import ip
from ..smtp.address import bare
from .check import Parser
from .stored import Stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

NEEDED = {"--ip": "ip", "--from": "sender", "--to": "to"}
ASSUMED = {"ip": "127.0.0.1", "sender": "", "to": ["postmaster"]}  # for a message whose fields do not show it


def arguments() -> Namespace:
    """The parsed command line, completed by the fields of the message (`stored`); `notes` has what was assumed."""
    parser = Parser(prog="qmail-smtpd-explain", description="Tell why mail is accepted or refused, check by check.")
    parser.add_argument("--message", metavar="FILE", help="send this message; its fields show who sent it to whom")
    parser.add_argument("--ip", help="the client's address")
    parser.add_argument("--host", help="the client's host name (default: it has none)")
    parser.add_argument("--info", help="the user that ident names")
    parser.add_argument("--helo", help="the name in EHLO (default: no EHLO is sent)")
    parser.add_argument("--auth", metavar="USER", help="the client has authenticated as this user")
    parser.add_argument("--tls", action="store_true", help="the client has encrypted the connection")
    parser.add_argument("--from", dest="sender", help='the sender; "" for a bounce')
    parser.add_argument("--to", action="append", help="a recipient; may be given more than once")
    parser.add_argument("--size", help="the size that MAIL announces, in bytes")
    parser.add_argument("--rules", metavar="FILE", help="tcpserver's rules, text or cdb (default: $TCPRULES)")
    parser.add_argument("--home", help=f"the qmail home (default: $QMAILHOME, else {os.fsdecode(DEFAULT_HOME)})")
    parser.add_argument("--json", action="store_true", help="an object instead of lines")
    given = parser.parse_args()
    _read_message(parser, given)
    said = [given.sender, *given.to, *(given.helo, given.auth, given.size)]
    if any(set("\r\n\0") & set(text) for text in said if text):
        parser.error("addresses, names and sizes cannot contain CR, LF or NUL")
    address = ip.canonical(os.fsencode(given.ip))
    if address is None:
        parser.error(f"not an IP address: {given.ip}")
    given.ip = address.decode()
    return given


def _read_message(parser: Parser, given: Namespace) -> None:
    """Read the message, and complete the command line by its fields, else by ASSUMED, with a note."""
    given.stored, told, given.notes = None, {}, []
    if given.message is not None:
        try:
            given.stored = Stored(given.message)
        except OSError as error:
            parser.error(f"{given.message}: {error.strerror}")
        told = given.stored.told
    for name in ("ip", "host", "info", "helo", "sender", "to"):
        if getattr(given, name) is None and name in told:
            setattr(given, name, [told[name]] if name == "to" else told[name])
    missing = [option for option, name in NEEDED.items() if getattr(given, name) is None]
    if missing and given.stored is None:
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    for option in missing:
        assumed = ASSUMED[NEEDED[option]]
        setattr(given, NEEDED[option], assumed)
        given.notes.append(f"the message does not show {option}: assumed {''.join(assumed) or 'empty'}")


def describe_client(env: dict[bytes, bytes], arguments: Namespace) -> None:
    """Set the client's variables, as tcpserver would."""
    env[b"PROTO"] = b"TCP6" if ":" in arguments.ip else b"TCP"
    env[b"TCPREMOTEIP"] = arguments.ip.encode()
    for name, value in ((b"TCPREMOTEHOST", arguments.host), (b"TCPREMOTEINFO", arguments.info)):
        env.pop(name, None)
        if value is not None:
            env[name] = os.fsencode(value)


def script(arguments: Namespace) -> list[tuple[bytes, str]]:
    """The commands that the client sends, each with the name of its hook."""
    said = []
    if arguments.helo is not None:
        said.append((b"EHLO " + os.fsencode(arguments.helo), "helo"))
    if arguments.auth is not None:
        said.append((b"AUTH " + os.fsencode(arguments.auth), "auth"))
    size = b" SIZE=" + os.fsencode(arguments.size) if arguments.size is not None else b""
    said.append((b"MAIL FROM:<%b>%b" % (bare(os.fsencode(arguments.sender)), size), "mail"))
    said += [(b"RCPT TO:<%b>" % bare(os.fsencode(recipient)), "rcpt") for recipient in arguments.to]
    return said + [(b"DATA", "data"), (arguments.stored.said(), "message")] if arguments.stored else said
