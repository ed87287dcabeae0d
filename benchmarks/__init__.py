"""Measures CPU, memory and disk use on this machine, beside similar programs: ``make bench``."""
