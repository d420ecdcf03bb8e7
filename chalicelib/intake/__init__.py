"""What comes in, made into what the core understands: raw payload → `Signal` or `Command`.

Pure. What cannot be read becomes an `Unreadable` with its reason, or for a person's command an error whose text says
what is allowed; nothing that came in is dropped, and nothing that came in raises a traceback.
"""
