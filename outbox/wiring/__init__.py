"""Builds the service from its settings, a module for each kind of function: all that joins flows and adapters.

Nothing is built at import; each function imports no more than it uses.
"""
