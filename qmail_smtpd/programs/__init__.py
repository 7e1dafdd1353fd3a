"""The programs that a session starts: the queue, helpers, plugins."""
