"""The database's file: opened, locked, watched while it is open; transactions, and SQLite's errors."""
