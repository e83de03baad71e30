#!/bin/sh
# Starts PostgreSQL in a container of the public image, as root: reads what only
# root may read, and leaves the rest, giving up root too, to the image.
set -eu

# The superuser's password is for the first start, which makes the cluster.
# Later ones need not have it in their environment.
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  POSTGRES_PASSWORD=$(cat /run/secrets/postgres/password)
  export POSTGRES_PASSWORD
fi

# With TLS there is a place in memory for the key, which PostgreSQL takes only
# from its own user.
if [ -d /run/tls ]; then
  cp /run/secrets/postgres/tls/server.crt /run/secrets/postgres/tls/server.key /run/tls
  chmod 600 /run/tls/server.key
  chown postgres /run/tls /run/tls/server.crt /run/tls/server.key
fi

exec docker-entrypoint.sh postgres "$@"
