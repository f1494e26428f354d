"""The target of the dbt profile, as the commands read and write it.

base              the interface that each engine implements
sql               what is the same SQL on all engines
duckdb            DuckDB
sqlserver         SQL Server
sqlserver_driver  its drivers: mssql-python and pyodbc
macros            SQL that the commands share with the dbt project
profile           the dbt profile
duckdb_target     a duckdb target of it
target            opens the profile's target
"""
