"""Settings that pipeline.yaml does not have, but that users look for: where each one is."""

WHERE_IT_IS = {
    "paths": "the files are arguments of the command: python -m loader ingest FOLDER",
    "files": "the files are arguments of the command: python -m loader ingest FOLDER",
    "scaling": "the download says how it was scaled; units: SCALED says it of other files",
    "chunk_size": "it is one for all studies, under defaults",
    "parallelism": "it is one for all studies, under defaults",
    "max_workers": "write defaults: {parallelism: …}",
    "memory_limit_mb": "set it per target in profiles.yml: settings: {memory_limit: 4GB}",
    "timeout_seconds": "the scheduler that starts the command stops it; what it began is undone",
    "max_duplicate_percentage": "duplicate_genes: refuse, per study; finding 2012 counts them",
    "max_null_percentage": "var null_share_max of dbt_project.yml",
    "min_genes_per_sample": "var gene_count_share_min of dbt_project.yml",
    "min_samples_per_study": "var min_cohort_samples of dbt_project.yml, per cohort",
    "level": "logs have every step; --log-format chooses what is printed",
    "logging": "folders: {logs: …} and retention: {logs_days: …}",
    "rotation": "logs have one folder per day",
    "max_size_mb": "logs have one folder per day; retention: {logs_days: …} deletes old ones",
    "backup_count": "logs have one folder per day; retention: {logs_days: …} deletes old ones",
}
