"""Plots as SVG: they need no script, print, and have the same bytes for the same data."""
