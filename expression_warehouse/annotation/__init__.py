"""Gene annotation from bulk files."""
