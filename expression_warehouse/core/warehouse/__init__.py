"""The target of the dbt profile, as the commands read and write it.

base              a warehouse, whatever its engine
study_load, pair_load, staging_load
                  what is written into staging, whatever the engine
session           statements of one transaction
duckdb            DuckDB
sqlserver         SQL Server
sqlserver_driver  its drivers: mssql-python and pyodbc
macros            SQL that the commands share with the dbt project
profile           the dbt profile
duckdb_target     a duckdb target of it
target            opens the profile's target
"""
