"""The storages that there are, by the `type` they have in the file."""

from backupctl.storages.base import Storage
from backupctl.storages.local import LocalStorage
from backupctl.storages.r2 import R2Storage
from backupctl.storages.s3 import S3Storage

STORAGES: dict[str, type[Storage]] = {"local": LocalStorage, "s3": S3Storage, "r2": R2Storage}
