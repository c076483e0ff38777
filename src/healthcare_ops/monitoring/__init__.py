"""Watching models in use: whether what they forecast is still what they learnt."""
