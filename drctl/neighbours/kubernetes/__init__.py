"""A stand-in for a Kubernetes API server with Velero: strict as the real one, checked against recordings of it."""
