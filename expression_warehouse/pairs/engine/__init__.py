"""Numeric work on all pairs of genes, in blocks: from rank transforms to false discovery rates."""
