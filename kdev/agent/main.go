// Command kdev-agent runs inside containers for kdev. It is linked statically, needs no shell, tar, root or network there,
// and writes nothing but what it is asked to. Every sub-command is one line of the table below and one file beside this one.
package main

import (
	"os"
)

// command is one sub-command. run gets the arguments after its name and returns the exit code.
type command struct {
	name, usage string
	run         func(args []string) int
}

var commands = []command{
	{"version", "", version},
	{"serve", "ROOT...", serve},
}

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 64
)

func main() {
	if len(os.Args) > 1 {
		for _, c := range commands {
			if c.name == os.Args[1] {
				os.Exit(c.run(os.Args[2:]))
			}
		}
	}
	usage()
	os.Exit(exitUsage)
}

// usage cannot be reached from the table's functions: Go forbids that a table and its entries need each other.
func usage() {
	text := "usage: kdev-agent COMMAND\n"
	for _, c := range commands {
		text += "  " + c.name + " " + c.usage + "\n"
	}
	complain(text)
}

func complain(text string) { _, _ = os.Stderr.WriteString(text) }
