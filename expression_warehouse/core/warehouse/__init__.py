"""The target of the dbt profile, as the loader writes to it.

base              what the loader asks of any engine
sql               the part of it that is the same SQL on all of them
duckdb            DuckDB
sqlserver         SQL Server
sqlserver_driver  its drivers: mssql-python and pyodbc
macros            SQL that the loader shares with the dbt project
profile           the dbt profile
target            opens the profile's target
"""
