"""The only code that opens connections: AWS, Kubernetes, PostgreSQL, HTTP. Each side has its own timeouts.

Whoever reads gets `Refused` (the service said no) or `NoData` (nobody answered); whoever writes gets an `Outcome`.
"""
