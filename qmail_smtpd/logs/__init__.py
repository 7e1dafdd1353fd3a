"""The log: classic lines and JSON."""
