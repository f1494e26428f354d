"""Golden cases of the meta-analysis."""
