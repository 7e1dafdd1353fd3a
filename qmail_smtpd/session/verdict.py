"""The result of asking all checks about one command.

`reply` is the refusal of a check, else the last acceptance, else None. `checker` is the name of the check that gave
it, "" for none. `accepted`: a check has accepted the recipient.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..smtp.replies import Reply


class Verdict:
    """See the module's docstring."""

    __slots__ = ("reply", "checker", "accepted", "counts_refused")

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.checker = ""
        self.accepted = False
        self.counts_refused = False  # the recipient counts although it was refused (Checker.counts)

    @property
    def refusal(self) -> Reply | None:
        """The reply, if it refuses."""
        return self.reply if self.reply is not None and self.reply.refuses else None

    @property
    def counts(self) -> bool:
        """Whether the recipient counts for MAXRCPTCOUNT and TARPITCOUNT (SPEC sections 5 and 13)."""
        return self.accepted and (self.refusal is None or self.counts_refused)
