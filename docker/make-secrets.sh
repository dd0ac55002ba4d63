#!/bin/sh
# Makes the secrets of compose.yaml, each a file in the folder `secrets` beside it. Those that are there stay.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
for name in postgres_password shop_password mariadb_password forum_password s3_secret_access_key; do
    [ -e "secrets/$name" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name"
done
printf '{"identities": [{"name": "backupctl", "actions": ["Read:backups", "Write:backups", "List:backups"],
  "credentials": [{"accessKey": "backupctl", "secretKey": "%s"}]}]}\n' \
    "$(cat secrets/s3_secret_access_key)" >secrets/s3_identities
# Other users of this machine are kept out by the folder. The files must be readable for the containers' own users, which
# compose cannot give them to.
chmod 644 secrets/*
