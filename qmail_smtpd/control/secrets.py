"""What is done before a secret is in memory.

no_core()       this process writes no core from now on: it would hold a password, or a key
"""

from __future__ import annotations


def no_core() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
