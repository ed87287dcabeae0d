"""Recovery: a damaged file is set aside, a fresh one is started, and all readable rows are copied over.

SQLite's own ``.recover`` is not used: it needs the dbpage virtual table, and neither Debian 12's sqlite3 nor
the sqlite3 module of its Python is built with it (SQLITE_ENABLE_DBPAGE_VTAB).
"""
