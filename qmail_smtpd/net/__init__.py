"""The client's socket, TLS, and name servers."""
