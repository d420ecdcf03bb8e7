"""RDS with real state transitions, over databases in memory or over real PostgreSQL."""
