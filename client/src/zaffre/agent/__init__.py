"""The node agent: it claims runs, executes each under a supervisor of its own, and keeps replicas alive.

Every step of a run is one small module in `steps/`, started in order and undone in reverse. The agent
may die at any moment: what runs is held by supervisors, and what must be told is on disk first.
"""
