"""What is deployed, generated from policy and code: Chalice's configuration, IAM policies, templates.

A check fails when what is in `.chalice/` is no longer what would be generated.
"""
