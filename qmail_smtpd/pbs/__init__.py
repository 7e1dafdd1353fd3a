"""POP before SMTP (SPEC section 11): a client that has lately read mail may relay. pbsadd reports clients to the server
pbsdbd, pbscheck asks it."""
