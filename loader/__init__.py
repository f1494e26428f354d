"""Moves refine.bio downloads into the staging tables of the warehouse.

`python -m loader --help` shows the commands. The modules, in the order a study passes them:

download   finds the studies in a folder or zip
metadata   reads aggregated_metadata.json
config     reads pipeline.yaml
batch      gives the study of one download its identity
matrix     streams the expression matrix and melts it into record batches
diagnose   finds the line of a matrix that cannot be read
warehouse  writes to the target of the dbt profile
ingest     puts these together, for one study and for many
"""
