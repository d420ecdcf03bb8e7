"""The public status page: one HTML file, Statuspage's public JSON, and an Atom feed."""
