"""POP before SMTP (SPEC section 11): who has lately read mail may relay. pbsadd tells, pbsdbd knows, pbscheck asks."""
