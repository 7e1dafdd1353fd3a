"""Fuzz the answers of policy servers: an action, or BadAnswer."""

from __future__ import annotations

from qmail_smtpd.filters.policy import PolicyFailed, action_of


def one_input(data: bytes) -> None:
    try:
        assert action_of(data) is not None
    except PolicyFailed:
        pass
