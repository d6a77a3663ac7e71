// Package systemtest holds tests that are long or privileged: the service under a
// real systemd in a container, and the Windows program under Wine. They run with
// "make test-system".
package systemtest
