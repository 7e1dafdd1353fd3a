"""One session: its state, its commands, and the chain of checks."""
