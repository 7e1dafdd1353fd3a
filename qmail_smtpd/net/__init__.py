"""The network: the client's socket, TLS, the DNS, and connections to filters."""
