"""What pydnsbl knows about public DNS lists: their names, and what their answers mean.

Only for qmail-smtpd-check and qmail-smtpd-explain: a session asks the lists itself (net/rbllist.py) and decides by
control/rbllist alone.
"""

from __future__ import annotations

from .. import thirdparty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NOTHING = "unknown"  # pydnsbl's category for an answer without a meaning


class _Record:
    """An answer in the form that pydnsbl expects."""

    def __init__(self, address: bytes) -> None:
        self.host = address.decode()


def _providers() -> dict[str, Any]:
    """The lists by name; none if pydnsbl cannot be imported, which packages.py reports."""
    thirdparty.add_to_path()
    try:
        from pydnsbl.providers import BASE_PROVIDERS  # type: ignore[import-untyped]
    except ImportError:
        return {}
    return {provider.host: provider for provider in BASE_PROVIDERS}


def names() -> list[str]:
    """The domains of all known lists."""
    return list(_providers())


def meaning(base: bytes, addresses: list[bytes]) -> list[str]:
    """The categories that a list's answer puts a client in, such as spam or exploits; none for an unknown list."""
    provider = _providers().get(base.decode("latin1").lower().removesuffix("."))
    if provider is None or not addresses:
        return []
    return sorted(set(provider.process_response([_Record(address) for address in addresses])) - {_NOTHING})
