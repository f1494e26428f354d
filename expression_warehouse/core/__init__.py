"""What every command stands on: errors, configuration, reports, logs, dbt, and the warehouse."""
