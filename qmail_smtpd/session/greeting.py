"""The first words: 220, or the refusals 421GREETING and 550GREETING (SPEC section 3)."""

from __future__ import annotations

from ..smtp import replies
from ..smtp.errors import TalkedTooSoon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..net.wire import Wire
    from ..smtp.replies import Reply


def refusal(config: Config) -> Reply | None:
    """The greeting of a host that does not want this client, or None."""
    for name, default in (("550GREETING", replies.NO_SERVICE), ("421GREETING", replies.NOT_NOW)):
        text = config.value(name)
        if text is not None:
            return replies.Reply(default.code, replies.printable(text)) if text else default
    return None


def greet(config: Config, wire: Wire) -> None:
    """Send 220, slowly if GREETDELAY asks for it. Raises TalkedTooSoon and what Wire raises."""
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
    """Whoever speaks now is a robot. Nothing is sent meanwhile: half a greeting cannot become a 554."""
    if wire.readable(seconds):
        wire.read()
        raise TalkedTooSoon
