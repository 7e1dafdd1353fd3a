"""Fuzz targets, one a parser: `make fuzz` runs each for a bounded time, `python -m tests.fuzz NAME` one of them.

A target is a module fuzz_NAME with `one_input(data)`: it may raise nothing, whatever the bytes, and asserts what always
holds. test_targets.py feeds each a few hundred inputs, so that none falls behind the code.
"""
