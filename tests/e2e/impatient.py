"""The command, which waits for a store that is out of order for less time than users would want."""

from backupctl.cli import main
from backupctl.storages.s3 import S3Storage
from backupctl.storages.s3.patience import Patience

S3Storage.patience = Patience(connect_s=3, read_s=10, attempts=2, outage_waits_s=(0.2,))
main()
