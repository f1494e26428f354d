"""Scores of how unlike the others each pair of a slice is."""
