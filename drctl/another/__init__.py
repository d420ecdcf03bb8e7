"""Policies for another platform: the shipped ones with everything that is one platform's own replaced."""
