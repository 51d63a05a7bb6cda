"""Turns a diffusers folder into a prior pack (docs/prior-pack.md). Entry point: scripts/export_prior.py."""
