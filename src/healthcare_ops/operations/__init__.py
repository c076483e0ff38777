"""What people and schedules do with the platform; entrypoints only parse and show."""
