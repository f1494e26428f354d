"""The target of the dbt profile, as the loader writes to it.

base      what the loader asks of any engine
duckdb    DuckDB
macros    SQL that the loader shares with the dbt project
profile   the dbt profile
target    opens the profile's target
"""
