"""Import a site's modules only from files that no other user could have changed (control/places.py).

watch(home)     from now on every module below `home`, also one imported by another, is examined before it is
                loaded; an unsafe one raises ImportError, which says what is wrong
"""

from __future__ import annotations

import sys
from _frozen_importlib_external import PathFinder

from ..control.places import trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class Guard:
    """A finder for sys.meta_path: finds modules as PathFinder does, and refuses unsafe files below `homes`."""

    homes: set[str] = set()

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec: ModuleSpec | None = PathFinder.find_spec(name, path, target)
        if spec is not None:
            for place in filter(None, (spec.origin, spec.cached, *(spec.submodule_search_locations or ()))):
                found = trouble(place) if any(place.startswith(home + "/") for home in cls.homes) else ""
                if found:
                    raise ImportError(found)
        return spec


def watch(home: str) -> None:
    """See the module's docstring."""
    Guard.homes.add(home)
    if Guard not in sys.meta_path:
        sys.meta_path.insert(sys.meta_path.index(PathFinder), Guard)
