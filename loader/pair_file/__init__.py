"""Pair metrics from elsewhere: a CSV with columns of fact_gene_pair_metrics.

metrics   the metrics that a file may have, with their bounds
csv_rows  rows of a CSV file with their lines
pair_id   two gene keys with _ between
numbers   numbers in cells
checks    checks of some rows
reader    a file's rows as record batches
load      stages them
"""
