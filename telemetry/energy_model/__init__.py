"""Energy by program: which program took how much of what the battery gave. Pure arithmetic, no I/O.

``features`` makes blocks of samples, ``sums`` adds them up by hour and day in whole numbers, ``fit`` learns
the watts of a busy core of each program from these sums, ``cells`` divides the energy of an hour among
programs, and ``interval`` says how sure that is. docs/energy-by-program.md describes the method.
"""
