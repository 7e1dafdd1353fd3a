"""The checks: one file each, and the order in which they are asked.

    configured(config, log)     the checkers that a configuration needs, set up and in order; raises ControlError

A check is imported only if it is configured. A site's own checkers (control/smtpcheckers) have a fixed place in the
order. Files that begin with `_` are no checks but what checks share.
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

# The name of a check and what configures it: any of these variables (upper case) or control files; without any it is
# always asked. The order is that of SPEC section 5.
ORDER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("authrequired", ("AUTHREQUIRED",)),
    ("strictreplies", ("STRICTREPLIES",)),
    ("plugins", ("SPPCONFFILE", "smtpplugins")),
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
    # before milters, so that they see its field
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
    """Every checker that is configured, named and set up, in order. Raises ControlError."""
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
    """The checkers that a check's setup() returned, as a list. They have the check's name, unless they were given one,
    as each line of control/smtpmilters does."""
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
    """For the resident mode, which preloads them: each check's module, named below the package, and what configures
    it."""
    return [(f"checkers.{name}", wanted_by) for name, wanted_by in ORDER if name != SITE]
