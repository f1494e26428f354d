"""Numeric work on gene pairs that SQL cannot do at scale.

`python -m pairs --help` shows the commands. The modules:

cli  the command line
"""
