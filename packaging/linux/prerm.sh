#!/bin/sh
# Before files are removed.
# $1: remove, upgrade (dpkg); 0 at the removal, 1 at an upgrade (rpm).
set -e

# An upgrade lets the old version record until the new one is there.
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

own_unit=/etc/systemd/system/recording-agent.service
if [ -f "$own_unit" ] && ! grep -q '^ExecStart="\?/usr/bin/recording-agent[" ]' "$own_unit"; then
	exit 0 # another program's, which stays
fi
if [ -d /run/systemd/system ]; then
	systemctl disable --now recording-agent.service # open segments are finished
fi
