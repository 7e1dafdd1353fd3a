"""What the chain makes of the answers of its checks: one verdict for each command.

`reply` is None where nobody refused and nobody had words of its own. `checker` is the name of the check that gave it,
"" for none. `accepted`: one of them has accepted the recipient.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..smtp.replies import Reply


class Verdict:
    """See the module's text."""

    __slots__ = ("reply", "checker", "accepted", "counts_refused")

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.checker = ""
        self.accepted = False
        self.counts_refused = False  # the check that refused wants the recipient counted all the same

    @property
    def refusal(self) -> Reply | None:
        """The reply, if it refuses."""
        return self.reply if self.reply is not None and self.reply.refuses else None

    @property
    def counts(self) -> bool:
        """Whether the recipient is one of those that MAXRCPTCOUNT and TARPITCOUNT count (SPEC sections 5 and 13)."""
        return self.accepted and (self.refusal is None or self.counts_refused)
