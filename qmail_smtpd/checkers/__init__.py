"""The checks, one file each, in the order in which they are asked.

    configured(config, log)     the checkers that a configuration asks for, set up, in order

A check is imported when something asks for it, and costs nothing otherwise. A site's own (control/smtpcheckers)
have their place in the order too.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..control.config import Config
    from ..logs.log import Log
    from ..session.hooks import Checker

SITE = "control/smtpcheckers"  # the place of a site's own checkers in the order

# Name and what has to be configured for it: a variable (upper case) or a control file; nothing means always.
# The order is that of SPEC section 5.
ORDER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("authrequired", ("AUTHREQUIRED",)),
    ("strictreplies", ("STRICTREPLIES",)),
    ("plugins", ("smtpplugins",)),
    ("size", ()),
    ("goodmailfrom", ("goodmailfrom",)),
    ("badmailfrom", ("badmailfrom",)),
    ("badmailpatterns", ("badmailpatterns",)),
    ("badmailfrom_unknown", ("badmailfrom-unknown",)),
    ("nobounce", ("NOBOUNCE",)),
    ("sanitycheck", ("SANITYCHECK",)),
    ("relaymailfrom", ("relaymailfrom",)),
    ("dnsbl", ("RBL",)),
    ("returnmx", ("RETURNMXCHECK",)),
    ("spf", ("SPFBEHAVIOR", "spfbehavior")),
    ("blockrelayprobe", ("BLOCKRELAYPROBE",)),
    ("routes", ()),
    ("badrcptto", ("badrcptto",)),
    ("rejectexec", ("REJECTEXEC",)),  # before all that hold the message: SPEC section 14
    ("dkim", ("DKIMVERIFY",)),
    ("dmarc", ("DMARCBEHAVIOR", "dmarcbehavior")),
    # before milters: they see the field
    ("authresults", ("SPFBEHAVIOR", "spfbehavior", "DKIMVERIFY", "DMARCBEHAVIOR", "dmarcbehavior")),
    (SITE, ("smtpcheckers",)),
    ("rcpthosts", ()),
    ("maxrcptcount", ("MAXRCPTCOUNT",)),
    ("bounce", ()),
    ("verify", ("RCPTCHECK", "SENDERCHECK")),
    ("policies", ("smtppolicies",)),
    ("milters", ("smtpmilters",)),
    ("tarpit", ("TARPITCOUNT",)),
)


def configured(config: Config, log: Log) -> list[Checker]:
    """Every checker that `config` asks for, named and set up. Raises ControlError."""
    found: list[Checker] = []
    for name, wanted_by in ORDER:
        if not config.wants(wanted_by):
            continue
        if name == SITE:
            from ..session import sitecheckers

            found += sitecheckers.load(config, log)
            continue
        found += _named(load(name).setup(config), name)
    for place, checker in enumerate(found):
        checker.earlier = tuple(found[:place])
    return found


def _named(made: Checker | list[Checker] | None, name: str) -> list[Checker]:
    """What a check's setup has made: one for each line of its file has the name that stands there."""
    several = made if isinstance(made, list) else [made] if made is not None else []
    for checker in several:
        checker.name = checker.name or name
    return several


def load(name: str) -> Any:
    """The module of a check."""
    full = f"{__package__}.{name}"
    __import__(full)
    return sys.modules[full]


def modules() -> list[tuple[str, tuple[str, ...]]]:
    """For a parent that forks: the name below the package of each check's module, and what has to be configured."""
    return [(f"checkers.{name}", wanted_by) for name, wanted_by in ORDER if name != SITE]
