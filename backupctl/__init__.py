"""Backs up many databases from one YAML file, and tells the truth about every backup."""

__version__ = "0.1.0"
