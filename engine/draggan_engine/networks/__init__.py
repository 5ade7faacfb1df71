"""Generators and discriminators in plain torch."""
