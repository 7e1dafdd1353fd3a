"""The protocol without I/O: bytes to events, replies to bytes. Imports nothing but itself."""
