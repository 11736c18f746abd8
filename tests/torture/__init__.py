"""Tortures: what the agent promises, held against kills, faults and bad days.

``python -m tests.torture --help`` runs the long forms; pytest runs the short ones.
Every torture says what it tried and what it found.
"""
