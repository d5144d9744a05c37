"""Runs a DataJob: a pure plan, units of work that commit atomically, and executors that move them (Ray Data or in process)."""
