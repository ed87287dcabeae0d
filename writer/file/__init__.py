"""The database's file: its tables, room, connections, transactions and errors, and a damaged one."""
