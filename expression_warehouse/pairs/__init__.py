"""Numeric work on gene pairs that SQL cannot do at scale; README.md explains the methods.

engine/       all pairs of genes, in blocks: rank transforms, tests, false discovery rates
ranking/      scores of the pairs of a slice
calibration/  how often the tests err on the studies of a slice
"""
