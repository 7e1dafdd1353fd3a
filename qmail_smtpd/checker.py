"""The public interface for a site's own checks: everything that such a check needs to import.

    from qmail_smtpd.checker import Checker, accept, defer, reject, hangup

checkers/_template.py shows every hook; qmail-smtpd-checkers(7) documents them and their order.
"""

from .session.hooks import HOOKS, OVERRULE, Checker, Pass, accept, defer, hangup, passes, reject

__all__ = ["HOOKS", "OVERRULE", "Checker", "Pass", "accept", "defer", "hangup", "passes", "reject"]
