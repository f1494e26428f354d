"""Moves data into the staging tables of the warehouse; unattended operation.

`python -m loader --help` shows the commands.

source/       reads studies, whatever their format
pair_file/    loads a CSV of pair metrics
discovery     which studies the paths hold
study_loader  loads one study
replacement   what a new batch of a study replaces
ingest        loads all studies
build         calls dbt build, with retries
run           ingest, then build
summary       the closing line of ingest and run
housekeeping  deletes what is older than its retention
publish       writes results to files that never change
health        the state of the warehouse
"""
