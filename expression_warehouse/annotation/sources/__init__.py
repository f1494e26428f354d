"""One module per source; each names its files in BULK_FILES."""
