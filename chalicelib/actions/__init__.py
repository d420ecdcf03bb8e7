"""One file per system that recovery moves. An action observes, then says the one thing that is missing."""
