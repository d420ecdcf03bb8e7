"""Velero: what happens to its objects once the API has taken them.

Sources, named in the docstrings: *recorded*, a real Velero 1.16-dev with the CRDs of 1.18.2 against a real API server
(`tests/neighbours/kubernetes/recordings.jsonl`); *source*, github.com/velero-io/velero at v1.18.2; *docs*,
velero.io/docs/v1.18.
"""
