"""First jobs files: a commented one, and one made of a single-database environment file."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backupctl.config import schema
from backupctl.config.problems import nearest
from backupctl.engines import ENGINES
from backupctl.errors import UsageError

STARTER = """\
# Jobs of backupctl. Check it with: backupctl validate
# Editors complete and check it: backupctl schema > jobs.schema.json, then make this the first line:
#   # yaml-language-server: $schema=./jobs.schema.json
version: 1

# The zone of cron, of the names of backups, and of logs; a job may have its own.
timezone: UTC

# How many jobs run at once.
workers: 4

# Where backups go. Secrets stay outside: ${VARIABLE}, or ${file:/run/secrets/name}.
storages:
  local:
    type: local
    path: backups          # a relative path starts at this file's folder
  # offsite:
  #   type: s3             # or r2
  #   endpoint_url: https://s3.example.com    # leave it out for AWS itself
  #   region: eu-central-1
  #   bucket: company-backups
  #   access_key_id: ${S3_ACCESS_KEY_ID}
  #   secret_access_key: ${S3_SECRET_ACCESS_KEY}

# What a job doesn't say itself is taken from here.
defaults:
  storage: local
  cron: "0 */12 * * *"     # minute hour day month weekday; always in quotes

jobs:
  - name: shop             # letters, digits, '.', '_', '-'
    database:
      type: postgres
      host: localhost
      port: 5432
      user: backup
      password: ${SHOP_DB_PASSWORD}
      name: shop
    cron: "30 3 * * *"     # 03:30 every day

  # - name: notes
  #   database:
  #     type: sqlite
  #     path: /srv/notes/notes.sqlite
"""

_CURRENT = {
    "DB": ("TYPE", "HOST", "PORT", "USER", "PASSWORD", "DATABASE"),
    "STORAGE": (
        "TYPE",
        "ENDPOINT_URL",
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "BUCKET_NAME",
        "DESTINATION_FOLDER",
        "REGION",
    ),
    "EMAIL": ("FROM", "TO", "SMTP", "PORT", "USER", "PASSWORD"),
    "SEQ": ("URL", "API_KEY"),
}
_SINGLE = ("CRON_SCHEDULE", "TIMEZONE", "APP_ENV")
_OLDER = {"DB": "PG", "STORAGE": "R2"}
_KNOWN = frozenset([f"{group}_{name}" for group, names in _CURRENT.items() for name in names] + list(_SINGLE))
_RENAMED = {
    f"{older}_{name}": f"{group}_{name}"
    for group, older in _OLDER.items()
    for name in _CURRENT[group]
    if name != "TYPE"
}
_TYPES = {"postgresql": "postgres", "pg": "postgres", "sqlserver": "mssql", "sqlite3": "sqlite"}
_PORTS = {"postgres": "5432", "mysql": "3306", "mariadb": "3306", "mssql": "1433"}
_FOLDER = "backups/"
_ZONE = "America/Sao_Paulo"
_TLS_PORT = "465"  # RFC 8314: mail submission with TLS from the first byte
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@:+-]*[A-Za-z0-9_/-]|[A-Za-z]|[1-9][0-9]{0,8}")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_Lines = list[tuple[int, str]]


@dataclass(frozen=True)
class Draft:
    """A jobs file that was made: its text, what to tell about it, the variables that it refers to."""

    text: str
    notes: tuple[str, ...]
    references: tuple[str, ...]


def read_env(path: Path) -> dict[str, str]:
    """The variables of an environment file, as they are written. Raises UsageError."""
    from dotenv import dotenv_values

    try:
        with path.open(encoding="utf-8-sig") as stream:
            values = dotenv_values(stream=stream, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"the file {path} cannot be read: {reason}") from error
    return {name: value for name, value in values.items() if value is not None}


def from_env(variables: Mapping[str, str]) -> Draft:
    """One job of a single-database environment file, every default written out, secrets as references.

    Raises UsageError when it does not name a database.
    """
    return _Drafting(variables).draft()


@dataclass
class _Drafting:
    variables: Mapping[str, str]
    notes: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)

    def draft(self) -> Draft:
        self._tell_of_names()
        lines = [
            "# Made from an environment file: secrets stay there. Check it with: backupctl validate",
            "version: 1",
            f"timezone: {self._value('TIMEZONE', _ZONE)}",
            f"workers: {schema.DEFAULT_WORKERS}",
            f"environment: {self._value('APP_ENV', schema.DEFAULT_ENVIRONMENT)}",
            *self._email(),
            *self._seq(),
            "",
            "storages:",
            "  main:",
            *self._storage(),
            "",
            "jobs:",
            *self._job(),
        ]
        return Draft("\n".join(lines) + "\n", tuple(self.notes), tuple(self.references))

    def _tell_of_names(self) -> None:
        for name in self.variables:
            current = _RENAMED.get(name)
            if current is None and name not in _KNOWN:
                near = nearest(name, _KNOWN)
                self.notes.append(
                    f"the variable {name} is not known and left out" + (f"; did you mean {near}?" if near else "")
                )
            elif current in self.variables:
                self.notes.append(
                    f"the variable {name} is left out: it is the older name of {current}, which is there too"
                )
            elif current is not None:
                self.notes.append(f"the variable {name} is called {current} by now; it is read all the same")

    def _found(self, name: str) -> str | None:
        """The name under which there is a value, be it an older one."""
        older = next((old for old, current in _RENAMED.items() if current == name), None)
        return next((each for each in (name, older) if each and self.variables.get(each, "") != ""), None)

    def _raw(self, name: str, default: str = "") -> str:
        found = self._found(name)
        return self.variables[found].strip() if found else default

    def _value(self, name: str, default: str = "") -> str:
        """The value as YAML; what could be a secret or holds a reference of its own stays in the environment."""
        raw = self._raw(name, default)
        if "$" in raw or ("://" in raw and re.search(r"[@?]", raw)):
            return self._reference(name)
        return _yaml(raw)

    def _reference(self, name: str) -> str:
        found = self._found(name)
        if found is None:
            self.notes.append(f"the variable {name} is not in the file; it must be set where backupctl runs")
        self.references.append(found or name)
        return f"${{{found or name}}}"

    def _email(self) -> Sequence[str]:
        if not self._found("EMAIL_SMTP"):
            if any(self._found(f"EMAIL_{name}") for name in _CURRENT["EMAIL"]):
                self.notes.append("without EMAIL_SMTP there is no email section")
            return []
        port = self._raw("EMAIL_PORT", "587")
        sender = "EMAIL_FROM" if self._found("EMAIL_FROM") else "EMAIL_USER"
        lines = [
            "",
            "email:",
            f"  from: {self._value(sender)}",
            f"  host: {self._value('EMAIL_SMTP')}",
            f"  port: {_yaml(port)}",
            f"  security: {'tls' if port == _TLS_PORT else 'starttls'}",
        ]
        if self._found("EMAIL_USER") or self._found("EMAIL_PASSWORD"):
            user = "EMAIL_USER" if self._found("EMAIL_USER") else sender
            lines += [f"  user: {self._value(user)}", f"  password: {self._reference('EMAIL_PASSWORD')}"]
        return [*lines, "  timeout: 60s"]

    def _seq(self) -> Sequence[str]:
        if not self._found("SEQ_URL"):
            return []
        lines = ["", "seq:", f"  url: {self._value('SEQ_URL')}"]
        if self._found("SEQ_API_KEY"):
            lines.append(f"  api_key: {self._reference('SEQ_API_KEY')}")
        return lines

    def _storage(self) -> Sequence[str]:
        kind = self._raw("STORAGE_TYPE", "r2").lower()
        lines = [f"    type: {_yaml(kind)}"]
        if kind == "local":
            return [*lines, f"    path: {self._value('STORAGE_DESTINATION_FOLDER', _FOLDER)}"]
        if self._found("STORAGE_ENDPOINT_URL"):
            lines.append(f"    endpoint_url: {self._value('STORAGE_ENDPOINT_URL')}")
        if self._found("STORAGE_REGION"):
            lines.append(f"    region: {self._value('STORAGE_REGION')}")
        return [
            *lines,
            f"    bucket: {self._value('STORAGE_BUCKET_NAME')}",
            f"    prefix: {self._value('STORAGE_DESTINATION_FOLDER', _FOLDER)}",
            f"    access_key_id: {self._reference('STORAGE_ACCESS_KEY_ID')}",
            f"    secret_access_key: {self._reference('STORAGE_SECRET_ACCESS_KEY')}",
        ]

    def _job(self) -> Sequence[str]:
        recipients = [_yaml(address.strip()) for address in self._raw("EMAIL_TO").split(",") if address.strip()]
        return [
            f"  - name: {_yaml(_job_name(self._raw('DB_DATABASE')))}",
            "    database:",
            *self._database(),
            "    storage: main",
            f"    cron: {_quoted(self._raw('CRON_SCHEDULE', schema.DEFAULT_CRON))}",
            f"    recipients: [{', '.join(recipients)}]",
            "    compression: zstd",
            "    enabled: true",
        ]

    def _database(self) -> Sequence[str]:
        kind = self._raw("DB_TYPE", "postgres").lower()
        kind = _TYPES.get(kind, kind)
        if kind not in ENGINES:
            self.notes.append(f"there is no database type {kind}; the types are: {', '.join(sorted(ENGINES))}")
        if not self._found("DB_DATABASE"):
            raise UsageError("the environment file does not name a database", hint="it is called DB_DATABASE there")
        lines = [f"      type: {_yaml(kind)}"]
        if kind == "sqlite":
            return [*lines, f"      path: {self._value('DB_DATABASE')}"]
        lines.append(f"      host: {self._value('DB_HOST', 'localhost')}")
        if self._found("DB_PORT") or kind in _PORTS:
            lines.append(f"      port: {self._value('DB_PORT', _PORTS.get(kind, ''))}")
        if self._found("DB_USER"):
            lines.append(f"      user: {self._value('DB_USER')}")
        if self._found("DB_PASSWORD"):
            lines.append(f"      password: {self._reference('DB_PASSWORD')}")
        lines += [f"      name: {self._value('DB_DATABASE')}", "      tls: prefer", "      globals: false"]
        return [*lines, "      format: plain"] if kind == "postgres" else lines


def _yaml(text: str) -> str:
    """A scalar that YAML, and the interpolation, read back as this text."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _YAML_WORDS and ": " not in text:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)


def _job_name(database: str) -> str:
    stem = Path(database).stem if "/" in database else database
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")
    return name[:100] or "database"
