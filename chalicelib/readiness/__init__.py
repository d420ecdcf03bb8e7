"""Whether each runbook could succeed right now: judges that only look, a file each."""
