"""What people are told of incidents, in English and Brazilian Portuguese."""
