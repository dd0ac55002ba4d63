"""How long the tests that kill a store let the command wait for it; users would want more."""

from backupctl.storages.s3.patience import Patience

PATIENCE = Patience(connect_s=3, read_s=10, attempts=2, outage_waits_s=(0.2,))
