"""All pairs of genes, tested in blocks: from rank transforms to false discovery rates."""
