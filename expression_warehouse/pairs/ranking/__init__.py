"""Scores of the gene pairs of a slice."""
