"""The page on which operators see whether each runbook could succeed: one HTML file, for nobody outside."""
