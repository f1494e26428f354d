"""How often the tests find something where nothing is, on a user's own studies."""
