#!/bin/sh
# Runs one throw-away PostgreSQL for as long as standard input stays open.
#
# The test process holds the other end of that pipe, so the server stops and its directory is removed however that
# process ends: by returning, by a panic, or by SIGKILL. Each line that comes through it ends the server at once, as a crash
# would, and starts it again on its data.
#
# usage: sh keeper.sh DIRECTORY BINARIES PORT [initdb option...]; DIRECTORY/password holds the superuser's password.
# prints "ready" whenever the server answers after a start, or its log and exits.
set -eu
trap '' HUP INT TERM PIPE

directory=$1
binaries=$2
port=$3
shift 3

finish() {
    status=$?
    rm -rf "$directory"
    exit "$status"
}
trap finish EXIT

fail() {
    echo "PostgreSQL did not start: $1"
    cat "$directory/log" 2>/dev/null || true
    exit 1
}

# PostgreSQL refuses to run as root.
as_user=""
if [ "$(id -u)" -eq 0 ]; then
    user=postgres
    id -u "$user" >/dev/null 2>&1 || user=nobody
    command -v setpriv >/dev/null || fail "the caller is root and there is no setpriv (util-linux) to become $user"
    chown -R "$user" "$directory"
    as_user="setpriv --reuid=$(id -u "$user") --regid=$(id -g "$user") --clear-groups --"
fi

cd "$directory"
# shellcheck disable=SC2086 # as_user is a list of words
$as_user "$binaries/initdb" --pgdata="$directory/data" --username=cardine --pwfile="$directory/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync "$@" >"$directory/log" 2>&1 || fail "initdb failed"

# Durable against the end of a process, which is what tests do to it, not against the end of the machine.
start() {
    # shellcheck disable=SC2086
    $as_user "$binaries/postgres" -D "$directory/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c fsync=off -c full_page_writes=off -c max_connections=400 -c shared_buffers=256MB -c max_wal_size=512MB \
        -c timezone=UTC -c log_min_messages=warning >>"$directory/log" 2>&1 </dev/null &
    server=$!

    # The eighth line of the lock file tells that this server, and not another one on the same port, accepts connections.
    tries=0
    until [ "$(sed -n '8p' "$directory/data/postmaster.pid" 2>/dev/null | tr -d ' ')" = ready ]; do
        kill -0 "$server" 2>/dev/null || fail "the server ended"
        tries=$((tries + 1))
        [ "$tries" -lt 2400 ] || fail "not ready after two minutes"
        sleep 0.05
    done
    echo ready || true
}

# Its processes end at once, without writing what they have in memory.
crash() {
    kill -QUIT "$server" || true
    wait "$server" || true
    rm -f "$directory/data/postmaster.pid"
}

start
while read -r _; do
    crash
    start
done
crash
