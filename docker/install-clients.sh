#!/bin/sh
# Installs the databases' clients and the init into the image. The build arguments come in the environment:
#   POSTGRES_CLIENTS  majors, from PostgreSQL's own packages; or "distribution", for the one that the base offers
#   MYSQL_CLIENT      a series of Oracle's own packages, such as mysql-8.4-lts; empty for none
#   MSSQL_CLIENT      a package of Microsoft's own, such as mssql-tools18, whose licence the builder accepts; empty for none
set -eu
. /etc/os-release
export DEBIAN_FRONTEND=noninteractive

install_packages() { apt-get install -qq -y --no-install-recommends "$@" >/dev/null; }

# Slim bases have neither curl nor wget.
fetch() { python3 -c 'import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())' "$1"; }

# A vendor's packages: name, address of the signing key, address, suite, component.
add_source() {
    fetch "$2" >"/usr/share/keyrings/$1.asc"
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: /usr/share/keyrings/%s.asc\n' \
        "$3" "$4" "$5" "$1" >"/etc/apt/sources.list.d/$1.sources"
    apt-get update -qq
}

install_postgres() {
    if [ "$POSTGRES_CLIENTS" = distribution ]; then
        install_packages postgresql-client
        return
    fi
    add_source pgdg https://www.postgresql.org/media/keys/ACCC4CF8.asc \
        https://apt.postgresql.org/pub/repos/apt "$VERSION_CODENAME-pgdg" main
    for major in $POSTGRES_CLIENTS; do install_packages "postgresql-client-$major"; done
}

# Oracle's packages conflict with MariaDB's: both own /usr/bin/mysql. So they are unpacked beside the system, in a folder
# that backupctl looks into.
install_mysql() {
    add_source mysql https://repo.mysql.com/RPM-GPG-KEY-mysql-2025 \
        https://repo.mysql.com/apt/debian "$VERSION_CODENAME" "$MYSQL_CLIENT"
    packages="mysql-community-client mysql-community-client-core mysql-community-client-plugins"
    # shellcheck disable=SC2046,SC2086 # lists of words
    install_packages $(apt-cache depends --important $packages | sed -n 's/^ *Depends: \([a-z]\)/\1/p' | grep -v mysql)
    mkdir /tmp/mysql /opt/mysql
    # shellcheck disable=SC2086 # a list of words
    (cd /tmp/mysql && apt-get download -qq -o APT::Sandbox::User=root $packages)
    for package in /tmp/mysql/*.deb; do dpkg-deb -x "$package" /opt/mysql; done
    ln -s usr/bin /opt/mysql/bin
    ln -s /opt/mysql/usr/lib/mysql /usr/lib/mysql # its plug-ins and private libraries have absolute paths
    rm -r /tmp/mysql
}

install_mssql() {
    add_source microsoft https://packages.microsoft.com/keys/microsoft-2025.asc \
        "https://packages.microsoft.com/debian/$VERSION_ID/prod" "$VERSION_CODENAME" main
    ACCEPT_EULA=Y install_packages "$MSSQL_CLIENT"
}

apt-get update -qq
install_packages ca-certificates mariadb-client tini
install_postgres
[ -z "$MYSQL_CLIENT" ] || install_mysql
[ -z "$MSSQL_CLIENT" ] || install_mssql
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
