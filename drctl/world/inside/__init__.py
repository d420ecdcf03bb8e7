"""What runs inside MiniStack's own interpreter: the launcher, and the mends that make it behave as AWS does where
that matters to us. Nothing here may import what is not in ministack-requirements.txt or the standard library.
"""
