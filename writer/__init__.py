"""The writer: receives samples and owns the SQLite database."""
