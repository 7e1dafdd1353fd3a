"""The greeting: 220, or the refusal by 421GREETING or 550GREETING (SPEC section 3)."""

from __future__ import annotations

from ..smtp import replies
from ..smtp.errors import TalkedTooSoon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..net.wire import Wire
    from ..smtp.replies import Reply


def refusal(config: Config) -> Reply | None:
    """The greeting by which 550GREETING or 421GREETING refuses the client, None if neither is set."""
    for name, default in (("550GREETING", replies.NO_SERVICE), ("421GREETING", replies.NOT_NOW)):
        text = config.value(name)
        if text is not None:
            return replies.Reply(default.code, replies.printable(text)) if text else default
    return None


def greet(config: Config, wire: Wire) -> None:
    """Send 220, its beginning a byte per second with GREETDELAY. Raises TalkedTooSoon and the same as Wire."""
    greeting = replies.greeting(config.me, config.greeting, config.cookie).encode()
    delay = config.number("GREETDELAY", 0)
    if delay:
        slow = greeting[: len(config.me) + len(b"220  ESMTP ")][:delay]
        if config.switch("DROPRUSHGREET"):
            _listen(wire, len(slow))
        else:
            greeting = greeting[len(slow) :]
            for byte in slow:
                wire.sleep(1)
                wire.write(bytes((byte,)))
    wire.write(greeting)


def _listen(wire: Wire, seconds: int) -> None:
    """DROPRUSHGREET: wait `seconds`; raise TalkedTooSoon if the client sends something before its greeting, as only
    spam programs do. Nothing is sent meanwhile, since after half a 220 there can be no 554."""
    if wire.readable(seconds):
        wire.read()
        raise TalkedTooSoon
