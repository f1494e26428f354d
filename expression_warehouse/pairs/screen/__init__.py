"""All pairs of genes of a slice, tested by tiles."""
