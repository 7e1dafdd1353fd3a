"""The checks, one a file; chain.py has their order and the contract, _template.py documents every hook."""
