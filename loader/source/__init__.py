"""Reads refine.bio downloads; independent of the warehouse.

download     a download's files, in a folder or zip
metadata     aggregated_metadata.json
values       identifiers, numbers and missing values in a matrix
matrix       streams the expression matrix and melts it into record batches
diagnosis    finds the line of a matrix that cannot be read
batch        the identity of a batch
batch_rules  rules that quarantine a batch
archive      keeps a copy of a staged study
"""
