#!/bin/sh
# Before files are unpacked: the user that owns some of them.
# $1: install, upgrade (dpkg); 1 at the first installation, 2 at an upgrade (rpm).
set -e

case "$1" in
install | upgrade | 1 | 2) ;;
*) exit 0 ;;
esac

# A configuration that was there before any package: dpkg would ask about it, and stand
# still where nobody answers. It comes back in postinst.
config=/etc/recording-agent/agent.toml
if [ "$1" = install ] && [ -z "${2-}" ] && [ -f "$config" ]; then
	mv "$config" "$config.before-package"
fi

case "$1" in
install | 1) : >/run/recording-agent.new ;; # for postinst, which dpkg does not tell
esac

if ! getent passwd recording-agent >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin recording-agent
fi
