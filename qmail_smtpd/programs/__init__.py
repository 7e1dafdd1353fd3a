"""The programs that a session starts: the queue program, helpers and plugins."""
