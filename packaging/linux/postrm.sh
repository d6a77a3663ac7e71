#!/bin/sh
# After files were removed.
# $1: remove, purge, upgrade (dpkg); 0 at the removal, 1 at an upgrade (rpm).
set -e

data=/var/lib/recording-agent
config=/etc/recording-agent
drop_in=/etc/systemd/system/recording-agent.service.d

reload() {
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
	fi
}

case "$1" in
remove | 0)
	rm -f "$drop_in/install.conf" # "recording-agent install" writes it again
	rmdir "$drop_in" 2>/dev/null || true
	reload
	echo "recording-agent: removed. Recordings and ledger stay in $data (or where agent.data_dir said), the configuration in $config."
	;;
purge)
	echo "recording-agent: deletes $config (configuration, secrets) and $drop_in."
	rm -rf "$config" "$drop_in"
	reload
	recordings=0
	if [ -d "$data" ]; then
		recordings=$(find "$data" -name '*.mp4' | wc -l)
	fi
	if [ "$recordings" -gt 0 ]; then
		# They may be the only copies: no package manager decides about footage.
		echo "recording-agent: KEEPS $recordings recordings ($(du -sh "$data" | cut -f 1)) in $data, and the user recording-agent who owns them."
		echo "They may not be in any bucket. To delete them: sudo rm -r $data && sudo userdel recording-agent"
	else
		echo "recording-agent: deletes $data (ledger; there are no recordings) and the user recording-agent."
		rm -rf "$data"
		if getent passwd recording-agent >/dev/null; then
			userdel recording-agent
		fi
	fi
	echo "recording-agent: a data_dir or log elsewhere stays as it is."
	;;
esac
