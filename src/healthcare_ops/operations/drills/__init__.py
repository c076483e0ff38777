"""Drills: a fault is injected into a throw-away hospital, and what the platform makes of it is judged from outside."""
