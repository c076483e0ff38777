"""The only place that chooses which adapter fulfils which port."""
