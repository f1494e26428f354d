"""`make bench`: ingest and build side by side with peers that end with the same table."""
