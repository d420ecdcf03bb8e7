"""What is kept in backups, compared with what policy promises: `drctl backups`."""
