#!/bin/sh
# Before files are unpacked: the user that owns some of them.
# $1: install, upgrade (dpkg); 1 at the first installation, 2 at an upgrade (rpm).
set -e

case "$1" in
install | upgrade | 1 | 2) ;;
*) exit 0 ;;
esac

case "$1" in
install | 1) : >/run/recording-agent.new ;; # for postinst, which dpkg does not tell
esac

if ! getent passwd recording-agent >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin recording-agent
fi
