"""What pydnsbl knows of the public DNS lists: their names, and what their answers mean.

A session asks the lists by itself (net/rbllist.py) and judges by control/rbllist alone; this is for people.
"""

from __future__ import annotations

from .. import thirdparty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NOTHING = "unknown"  # pydnsbl's category of a list that does not say


class _Record:
    """An answer, in the form that pydnsbl reads."""

    def __init__(self, address: bytes) -> None:
        self.host = address.decode()


def _providers() -> dict[str, Any]:
    """By name; none if pydnsbl cannot be imported, which packages.py reports."""
    thirdparty.add_to_path()
    try:
        from pydnsbl.providers import BASE_PROVIDERS  # type: ignore[import-untyped]
    except ImportError:
        return {}
    return {provider.host: provider for provider in BASE_PROVIDERS}


def names() -> list[str]:
    return list(_providers())


def meaning(base: bytes, addresses: list[bytes]) -> list[str]:
    """What the answers of a list say of a client: spam, exploits and the like; nothing for a list that is not known."""
    provider = _providers().get(base.decode("latin1").lower().removesuffix("."))
    if provider is None or not addresses:
        return []
    return sorted(set(provider.process_response([_Record(address) for address in addresses])) - {_NOTHING})
