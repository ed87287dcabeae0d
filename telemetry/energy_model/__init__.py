"""Energy by program: how much of the battery's energy each program used. Pure arithmetic, no I/O.

``features`` makes blocks of samples, ``sums`` adds them up by hour and day in whole numbers, ``fit`` learns
from these sums how many watts a busy core costs for each program, ``cells`` divides the energy of an hour
among programs, and ``interval`` gives the uncertainty. docs/energy-by-program.md describes the method.
"""
