"""Numeric work on gene pairs that SQL cannot do at scale.

`python -m pairs --help` shows the commands. The modules:

cli             the command line
catalog         the feature catalog
slices          the slices of the warehouse, and their pairs
feature_scale   features on one scale
ensemble        what is unlike the others: local outliers, isolation forest, rank-SVM
rank            puts these together, and stages the scores
feature_export  features as Parquet files
"""
