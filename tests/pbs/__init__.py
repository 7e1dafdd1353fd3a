"""Tests of POP before SMTP: the packets, the server, and all three programs together."""
