"""Upgrade: the original logger's database, and older schemas of this writer, become the latest schema."""
