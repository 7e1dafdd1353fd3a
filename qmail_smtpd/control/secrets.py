"""Protection of secrets in memory, called before a password or a private key is read."""

from __future__ import annotations


def no_core() -> None:
    """This process writes no core file from now on, since it would contain the secret. Only the soft limit is set: a
    child, such as a plugin, may be meant to write one."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
