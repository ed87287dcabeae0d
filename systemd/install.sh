#!/bin/sh
# Install the telemetry logger from this checkout as two services, without the Debian package.
set -eu
umask 022

usage() {
    cat <<'USAGE'
usage: sudo systemd/install.sh [--user NAME]
       sudo systemd/install.sh --uninstall [--purge]

Installs the commands into /usr/local/bin and the units telemetry-sampler and telemetry-writer, and starts both.
The unit telemetry-forward is installed too, but neither enabled nor started.
Run it again to upgrade.

  --user NAME   the account that the services run as (default: telemetry, which is created)
  --uninstall   stop the services and remove all of this; the database and the settings are kept. A database
                that was taken over from the original logger is given back
  --purge       with --uninstall: remove the database, the settings and the account too
  --root DIR    only lay out the files, under DIR (for packagers; nothing is started)
  --prefix DIR  install into DIR instead of /usr/local
USAGE
}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

source=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-/usr/bin/python3} # makes the man pages; the services run with Debian's Python
user=telemetry root='' prefix=/usr/local action=install purge=''
while [ $# -gt 0 ]; do
    case "$1" in
    --user | --root | --prefix)
        [ $# -gt 1 ] || fail "$1 needs a value; see --help"
        case "$1" in --user) user=$2 ;; --root) root=$2 ;; --prefix) prefix=$2 ;; esac
        shift
        ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    --help | -h) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

commands='telemetry-sampler telemetry-writer telemetry-query telemetry-forward'
units='telemetry-sampler.service telemetry-writer.service'
optional_unit=telemetry-forward.service # an administrator enables it
user_unit=telemetry-alert.service
modules=$prefix/share/telemetry-logger
. "$source/systemd/takeover.sh"

# The Python packages get their own directory, so that their names (sampler, writer, query, forward) do not collide with
# others.
place_program() {
    rm -rf "$root$modules"
    (cd "$source" && find telemetry sampler writer query forward -type f ! -name '*.pyc') | while read -r file; do
        install -D -m 0644 "$source/$file" "$root$modules/$file"
    done
    install -m 0644 "$source/systemd/takeover.sh" "$root$modules/takeover.sh"
    for command in $commands; do
        install -d "$root$prefix/bin"
        cat >"$root$prefix/bin/$command" <<LAUNCHER
#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "$modules")
from ${command#telemetry-}.main import main

sys.exit(main())
LAUNCHER
        chmod 0755 "$root$prefix/bin/$command"
    done
}

place_documents() {
    made=$(mktemp -d)
    for script in manual completion; do
        PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$source "$python" "$source/scripts/$script.py" "$made"
    done
    for command in $commands; do
        install -D -m 0644 "$made/$command.1" "$root$prefix/share/man/man1/$command.1"
        install -D -m 0644 "$made/bash/$command" "$root$prefix/share/bash-completion/completions/$command"
        install -D -m 0644 "$made/zsh/_$command" "$root$prefix/share/zsh/vendor-completions/_$command"
        install -D -m 0644 "$made/fish/$command.fish" "$root$prefix/share/fish/vendor_completions.d/$command.fish"
    done
    rm -r "$made"
}

# The examples get the directory of the modules added, because it is not in Python's path.
place_examples() {
    for example in "$source"/examples/*.py; do
        placed=$root$prefix/share/doc/telemetry-logger/examples/$(basename "$example")
        install -D -m 0644 "$example" "$placed"
        grep -q '^import sys' "$example" && import_sys='' || import_sys='import sys\n\n'
        sed -E -i "0,/^from (query|telemetry)/s@^from (query|telemetry)@${import_sys}sys.path.insert(0, \"$modules\")\n\n&@" "$placed"
    done
}

# Each user enables it: systemctl --user enable --now telemetry-alert
place_user_unit() {
    install -d "$root$prefix/lib/systemd/user"
    sed "s|/usr/bin/telemetry-|$prefix/bin/telemetry-|" \
        "$source/systemd/user/$user_unit" >"$root$prefix/lib/systemd/user/$user_unit"
    chmod 0644 "$root$prefix/lib/systemd/user/$user_unit"
}

place_units() {
    install -d "$root/etc/systemd/system" "$root/etc/sysusers.d" "$root/etc/default"
    for unit in $units $optional_unit; do
        sed "s|/usr/bin/telemetry-|$prefix/bin/telemetry-|; s|^User=.*|User=$user|" \
            "$source/systemd/$unit" >"$root/etc/systemd/system/$unit"
        chmod 0644 "$root/etc/systemd/system/$unit"
    done
    if [ "$user" = telemetry ]; then
        install -m 0644 "$source/systemd/sysusers.conf" "$root/etc/sysusers.d/telemetry-logger.conf"
    else
        echo 'g telemetry -' >"$root/etc/sysusers.d/telemetry-logger.conf"
    fi
    [ -e "$root/etc/default/telemetry-logger" ] ||
        install -m 0644 "$source/systemd/telemetry-logger.default" "$root/etc/default/telemetry-logger"
}

need_modules() {
    /usr/bin/python3 -I -c 'import psutil, zmq, tabulate' 2>/dev/null && return
    packages='python3-psutil python3-zmq python3-tabulate'
    command -v apt-get >/dev/null || fail "install psutil, pyzmq and tabulate for /usr/bin/python3, then run this again"
    echo "install.sh: installing $packages" >&2
    # shellcheck disable=SC2086
    apt-get install -y --no-install-recommends $packages >&2 ||
        fail "apt-get install $packages failed; fix that, then run this again"
}

check_machine() {
    [ "$(id -u)" = 0 ] || fail "run it as root: sudo systemd/install.sh"
    [ -d /run/systemd/system ] || fail "systemd is not running on this machine"
    /usr/bin/python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "/usr/bin/python3 must be 3.11 or later"
    if dpkg-query -W -f '${db:Status-Status}' telemetry-logger 2>/dev/null | grep -qx installed; then
        fail "the Debian package telemetry-logger is installed; remove it first: apt-get remove telemetry-logger"
    fi
    [ "$user" = telemetry ] || id "$user" >/dev/null 2>&1 || fail "there is no user $user"
}

install_here() {
    check_machine
    need_modules
    place_program
    place_documents
    place_examples
    place_user_unit
    place_units
    systemd-sysusers telemetry-logger.conf
    systemctl daemon-reload
    take_over "$user"
    # shellcheck disable=SC2086
    systemctl enable $units
    for unit in $units; do # one after the other: the upgrade of a large database must not delay the sampler
        systemctl restart "$unit"
    done
    systemctl try-restart "$optional_unit"
    echo "Both services are running. To read the database: sudo adduser \$USER telemetry, then log in again."
}

uninstall_here() {
    [ "$(id -u)" = 0 ] || fail "run it as root: sudo systemd/install.sh --uninstall"
    # shellcheck disable=SC2086
    systemctl disable --now $units $optional_unit 2>/dev/null || true
    for unit in $units $optional_unit; do
        rm -f "/etc/systemd/system/$unit"
    done
    for command in $commands; do
        rm -f "$prefix/bin/$command" "$prefix/share/man/man1/$command.1" \
            "$prefix/share/bash-completion/completions/$command" \
            "$prefix/share/zsh/vendor-completions/_$command" \
            "$prefix/share/fish/vendor_completions.d/$command.fish"
    done
    rm -f "$prefix/lib/systemd/user/$user_unit"
    rm -rf "$modules" "$prefix/share/doc/telemetry-logger" /run/telemetry-logger /etc/sysusers.d/telemetry-logger.conf
    systemctl daemon-reload
    if [ -e "$record" ]; then
        give_back
    elif [ -n "$purge" ]; then
        rm -rf "$state"
    elif [ -d "$state" ]; then
        echo "$state is kept, with the database"
    fi
    [ -n "$purge" ] || return 0
    rm -rf /var/lib/telemetry-forward
    rm -f /etc/default/telemetry-logger
    userdel telemetry 2>/dev/null || true
    groupdel telemetry 2>/dev/null || true # fails if the group has other members
}

if [ -n "$root" ]; then
    place_program
    place_documents
    place_examples
    place_user_unit
    [ "$prefix" = /usr ] || place_units # the Debian package has its own units
elif [ "$action" = install ]; then
    install_here
else
    uninstall_here
fi
