// Package e2e holds the tests of Duckling as a whole: the real binaries, each its own
// process, between a real MySQL or MariaDB, a real NATS and real files, with crashes. The oracle is always the source.
package e2e
