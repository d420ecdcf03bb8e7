"""The same engine on an operator's machine, for the night in which AWS is gone. Nothing here asks AWS."""
