"""The jobs file: found, read, checked as a whole, and turned into frozen values."""

from backupctl.config.find import find_file
from backupctl.config.jsonschema import json_schema
from backupctl.config.load import load
from backupctl.config.problems import InvalidFile, Problem
from backupctl.config.values import INLINE, Config, Job

__all__ = ["INLINE", "Config", "InvalidFile", "Job", "Problem", "find_file", "json_schema", "load"]
