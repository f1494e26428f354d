"""Four simulated studies with planted gene pairs, to see the warehouse work from end to end.

`python -m demo --help` shows the commands. The modules, in the order of a run:

design    which studies, genes and planted pairs there are
simulate  draws the expression values
download  writes them as refine.bio downloads
report    reads the built warehouse and says where the planted pairs ended up
"""
