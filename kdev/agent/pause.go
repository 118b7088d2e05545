package main

import (
	"os"
	"os/signal"
	"syscall"
)

func init() { commands["pause"] = pause }

// pause is the first process of a pod's sandbox. It holds the network namespace, reaps what is left to it, and ends on
// SIGTERM.
func pause([]string) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for got := range signals {
		if got != syscall.SIGCHLD {
			return 0
		}
		reap()
	}
	return 0
}

// reap takes every child that has ended. One SIGCHLD may stand for several.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
	}
}
