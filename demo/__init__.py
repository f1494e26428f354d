"""Simulated studies with planted gene pairs, which show the warehouse from end to end.

`python -m demo --help` shows the commands. The modules, in the order of a run:

design    which studies, genes and planted pairs there are
simulate  draws the expression values
genes     names the genes
download  writes them as refine.bio downloads
pairs     reads the pairs tested, and counts the planted ones among those found
report    prints studies and tests as tables
closing   says what was found, which test to trust, and what to type next
"""
