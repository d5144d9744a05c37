"""The Python interface: load, check, plan and run jobs, and read their results. `import datajob` exports it."""
