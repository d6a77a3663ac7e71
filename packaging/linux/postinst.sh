#!/bin/sh
# After files were unpacked.
# $1: configure (dpkg); 1 at the first installation, 2 at an upgrade (rpm).
set -e

case "$1" in
configure | 1 | 2) ;;
*) exit 0 ;;
esac

config=/etc/recording-agent/agent.toml
if [ -f "$config.before-package" ]; then
	mv "$config.before-package" "$config"
fi
new=
if [ -e /run/recording-agent.new ]; then
	rm -f /run/recording-agent.new
	new=yes
fi

# An image that is being built has no systemd to speak to.
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload

# By its path: /usr/local/bin, which comes first, may have another.
agent=/usr/bin/recording-agent
own_unit=/etc/systemd/system/recording-agent.service

state=$(systemctl is-active recording-agent.service) || true
case "$state" in
active | reloading | activating)
	if [ -f "$own_unit" ] && ! grep -q "^ExecStart=\"\?${agent}[\" ]" "$own_unit"; then
		cat <<-END
			recording-agent: NOT restarted: $own_unit goes before the unit of this package, and names a program of its own.
			  To have this package's run: sudo $agent install && sudo systemctl restart recording-agent
		END
	# What records goes on recording until it is known that the new version can. One
	# that is between two attempts to start does not record.
	elif [ "$(systemctl show --property=MainPID --value recording-agent.service)" = 0 ] ||
		problems=$("$agent" check config --as-service 2>&1); then
		systemctl restart --no-block recording-agent.service
	else
		echo "recording-agent: NOT restarted, the version from before goes on recording: this one cannot use the configuration:"
		echo "$problems"
		echo 'Edit it, then "sudo systemctl restart recording-agent".'
	fi
	exit 0
	;;
esac

"$agent" check config --without-secrets --config "$config" >/dev/null 2>&1 && valid=yes || valid=
if [ "$valid" ] && [ "$new" ]; then
	# Installed again, or configured beforehand.
	if "$agent" install --config "$config"; then
		systemctl start --no-block recording-agent.service
	else
		echo 'recording-agent: not started; when that is mended: "sudo recording-agent install && sudo recording-agent start".'
	fi
elif [ ! "$valid" ]; then
	cat <<-END
		recording-agent: not started, it has nothing to record yet.
		  1. Edit $config, or have "recording-agent init" write it.
		     Every key: /usr/share/recording-agent/agent.example.toml
		  2. sudo recording-agent check      tries disk, clock, cameras, bucket and central server
		  3. sudo recording-agent install    has it start with the host
		     sudo recording-agent start
	END
fi
