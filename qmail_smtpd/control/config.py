"""One session's configuration: its environment and its control files (SPEC sections 1 and 2).

Everything is read at the start, so that a file which cannot be read shows before the greeting (ControlError). Large
lists are only parsed when they are first searched. Checkers ask by name:

    config.switch("NOBOUNCE")           the variable exists, even empty
    config.value("AUTHPREPEND")         its bytes, or None
    config.number("MAXRCPTCOUNT", 0)    its leading digits; 0 without any; the default if it is unset
    config.behavior("spfbehavior")      $SPFBEHAVIOR, else control/spfbehavior, else 0
    config.files["badmailfrom"]         a ListFile, or None
    config.control.line("mine")         a file of a site's own
"""

from __future__ import annotations

from ..smtp.numbers import BIGGEST, leading_number
from ..smtp.replies import printable
from .files import ControlError, ControlFiles, ListFile

LIST_FILES = (
    "rcpthosts",
    "badmailfrom",
    "badmailfrom-unknown",
    "badmailpatterns",
    "goodmailfrom",
    "relaymailfrom",
    "badrcptto",
    "goodmailaddr",
    "signatures",
    "rbllist",
    "smtpcheckers",
    "smtpplugins",
    "smtppolicies",
    "smtpmilters",
)
RESTRICTED_TIMEOUT = 20  # seconds, instead of timeoutsmtpd, for sessions with 421GREETING or 550GREETING


class Config:
    """The configuration of one session. `env` is the session's own copy of the environment; the programs that the
    session starts inherit it. Raises ControlError."""

    def __init__(self, env: dict[bytes, bytes], control: ControlFiles) -> None:
        self.env = env
        self.control = control
        me = control.line("me")
        if me is None:
            raise ControlError(control.path("me"), b"No such file or directory")
        self.me = printable(me)
        self.greeting = printable(control.line("smtpgreeting") or b"")
        self.cookie = printable(control.line("smtpclustercookie") or b"")[:32]
        self.localiphost = control.line("localiphost", self.me) or b""
        restricted = self.switch("421GREETING") or self.switch("550GREETING")
        timeout = max(control.number("timeoutsmtpd", 120), 1)
        self.timeout = RESTRICTED_TIMEOUT if restricted else timeout
        self.sessiontimeout = control.number("sessiontimeout", 3600)
        self.mindatarate = control.number("mindatarate", 0)
        self.maxenvelope = control.number("maxenvelope", 8 << 20)
        databytes = self.number("DATABYTES", control.number("databytes", 0))
        self.databytes = min(databytes, BIGGEST - 1)
        self.certificate = self._certificate()
        self.tlsciphers = control.line("tlsciphers") or b"compat"
        self.tlsdheparams = control.line("tlsdheparams") or b"none"
        self.files: dict[str, ListFile | None] = {name: control.entries(name) for name in LIST_FILES}
        self.locals = control.entries("locals") or ListFile("me", self.me)

    def switch(self, name: str) -> bool:
        return name.encode() in self.env

    def value(self, name: str) -> bytes | None:
        return self.env.get(name.encode())

    def number(self, name: str, default: int) -> int:
        value = self.env.get(name.encode())
        return default if value is None else leading_number(value, 0)

    def behavior(self, name: str) -> int:
        """A number that says how strict a check is: from the variable `name` in upper case, else from the control file
        `name`, else 0."""
        return self.number(name.upper(), self.control.number(name, 0))

    def wants(self, names: tuple[str, ...]) -> bool:
        """Whether any of `names` is configured: in upper case a variable that is set; ending in `behavior` a number
        that is not 0; otherwise a list file that exists. True without names."""
        for name in names:
            if name in self.files:
                there = self.files[name] is not None
            else:
                there = self.switch(name) if name.isupper() else bool(self.behavior(name))
            if there:
                return True
        return not names

    def _certificate(self) -> bytes | None:
        """The path of the TLS certificate, None for no TLS."""
        path = self.control.line("smtpcert")
        override = self.value("SSLCERT")
        return (path if override is None else override) or None


def names_in(value: bytes) -> list[bytes]:
    """The names in a variable such as SHADOW, separated by commas or blanks."""
    return value.replace(b",", b" ").split()


def read(env: dict[bytes, bytes]) -> Config:
    """The configuration of the home that is the working directory. Raises ControlError."""
    return Config(env, ControlFiles())
