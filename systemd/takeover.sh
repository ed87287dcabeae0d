# shellcheck shell=sh
# Takes over the original logger's unit and database in place, and gives them back. For sh; sourced by install.sh and
# by the package's maintainer scripts. The database's former owner is noted outside its directory: root trusts that
# note later, and the services can write to the directory.

state=/var/lib/telemetry-logger
old_unit=telemetry-logger.service
record=$state.taken-over

# take_over USER: stop and disable the original logger, and give its database to USER and group telemetry.
# Prints what it does. Does nothing if there is no original logger, or if it was taken over before.
take_over() {
    [ ! -e "$record" ] || return 0
    unit=none
    if systemctl cat "$old_unit" >/dev/null 2>&1; then
        unit=$(systemctl is-enabled "$old_unit" 2>/dev/null || true):$(systemctl is-active "$old_unit" 2>/dev/null || true)
        echo "telemetry-logger: stopping and disabling the original logger, $old_unit" >&2
        systemctl disable --now "$old_unit" || true
    elif [ ! -e "$state/telemetry.db" ] || [ "$(stat -c %U "$state/telemetry.db")" = "$1" ]; then
        return 0 # there is no original logger, or the database is ours
    fi
    owner=$(stat -c %U "$state/telemetry.db" 2>/dev/null || true)
    [ -d "$state" ] || install -d -o "$1" -g telemetry -m 0750 "$state"
    {
        echo "unit $unit"
        for path in "$state" "$state/telemetry.db"; do
            [ ! -e "$path" ] || echo "$path $(stat -c '%u:%g %a' "$path")"
        done
    } >"$record.new"
    chown "$1:telemetry" "$state"
    chmod 0750 "$state"
    for path in "$state/telemetry.db" "$state/telemetry.db-wal" "$state/telemetry.db-shm"; do
        if [ -f "$path" ] && [ ! -L "$path" ]; then
            chown -h "$1:telemetry" "$path"
            chmod 0640 "$path"
        fi
    done
    mv "$record.new" "$record"
    if [ -n "$owner" ]; then
        echo "telemetry-logger: took over the database of user $owner, $state/telemetry.db: it belongs to user $1" \
            "and group telemetry now. It keeps all its rows and takes the new ones." >&2
    fi
}

# give_back: undo take_over, after the services were stopped.
give_back() {
    [ -e "$record" ] || return 0
    unit=none
    while read -r path owner mode; do
        case "$path" in
        unit) unit=$owner ;;
        "$state" | "$state/telemetry.db")
            for part in "$path" "$path-wal" "$path-shm"; do
                if [ -e "$part" ] && [ ! -L "$part" ]; then
                    chown -h "$owner" "$part"
                    chmod "$mode" "$part"
                fi
            done
            ;;
        esac
    done <"$record"
    rm -f "$record" "$state/telemetry.db.lock"
    echo "telemetry-logger: gave $state/telemetry.db back to its former owner" >&2
    systemctl cat "$old_unit" >/dev/null 2>&1 || return 0
    case "$unit" in enabled:*) systemctl enable "$old_unit" || true ;; esac
    case "$unit" in *:active) systemctl start "$old_unit" || true ;; esac
}
