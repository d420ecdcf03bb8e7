"""The written policy: policies/*.yaml as typed, frozen models.

`load` reads a folder, `Policy` is all of it together. Names, regions and accounts stand in these
files and nowhere else.
"""

from chalicelib.policy.models import Policy

__all__ = ["Policy"]
