"""The sections of the runbook, each as code that finds its roots."""
