{#- SQL Server's own backup of the database of the connection: every page is read and its checksum verified, while
    others read and write. `file` is the file as the server names it, as a SQL expression or a parameter; a bare name is in the
    server's folder of backups. Not within a transaction. DuckDB's backup is a copy of its file (loader/backup.py). -#}
{% macro backup_database(file) %}
declare @database sysname = db_name();
declare @file nvarchar(400) = {{ file }};
backup database @database to disk = @file with copy_only, checksum, init, format;
restore verifyonly from disk = @file with checksum;
{% endmacro %}
