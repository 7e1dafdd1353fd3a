"""One session: its facts, its commands, and the chain of checks."""
