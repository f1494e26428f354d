"""Pair metrics from elsewhere: a CSV with columns of fact_gene_pair_metrics."""
