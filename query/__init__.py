"""The query command: canned reports over the database."""
