"""The decisions. Pure: no clock, no I/O, no AWS, no randomness; time is an argument."""
