"""Upgrades the original logger's database, and older schemas of this writer, to the latest schema."""
