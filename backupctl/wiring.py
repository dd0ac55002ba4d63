"""What a job's options stand for: its storage, its corner there, its engine."""

from zoneinfo import ZoneInfo

from backupctl.config import Job
from backupctl.engines import ENGINES
from backupctl.engines.base import Engine
from backupctl.process import Session
from backupctl.repository import Repository
from backupctl.storages import STORAGES
from backupctl.storages.base import Storage


def storage_of(job: Job) -> Storage:
    return STORAGES[job.storage.type](job.storage)


def repository_of(job: Job, storage: Storage) -> Repository:
    return Repository(job.name, storage, ZoneInfo(job.timezone))


def engine_of(job: Job, session: Session) -> Engine:
    return ENGINES[job.database.type].build(job.database, session, job.storage.access)
