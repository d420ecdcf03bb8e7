"""The three ways to throw the traffic switch, one a module; position.py asks whichever policy has."""
