"""Moves refine.bio downloads into the staging tables of the warehouse.

`python -m loader --help` shows the commands. The modules, in the order a study passes them:

download     finds the studies in a folder or zip
metadata     reads aggregated_metadata.json
config       reads pipeline.yaml
batch        gives the study of one download its identity
matrix       streams the expression matrix and melts it into record batches
diagnose     finds the line of a matrix that cannot be read
batch_rules  says what quarantines a batch
archive      keeps a copy of it
warehouse    writes to the target of the dbt profile
ingest       puts these together, for one study and for many
build        calls dbt build, and calls it again after a transient error
run          ingests and builds, for a scheduler

Beside that: pair_file and load_pairs take a CSV of pair metrics; process_log and log_files keep
what happened, report shows it; health, housekeeping and artifact are for who runs the warehouse.
command is what this command line and that of `pairs` have in common.
"""
