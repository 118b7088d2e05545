// Command kdev-agent is the one program that kdev puts into containers. Standard library only, no shell, no files of its
// own. Each sub-command is in a file of its name and enters itself into `commands`.
package main

import (
	"fmt"
	"os"
)

// commands maps a sub-command to what it does with its arguments; the result is the exit code.
var commands = map[string]func(args []string) int{}

func main() {
	if len(os.Args) > 1 {
		if run, known := commands[os.Args[1]]; known {
			os.Exit(run(os.Args[2:]))
		}
	}
	fmt.Fprintln(os.Stderr, "kdev-agent: no such command")
	os.Exit(64)
}

// fail prints one line for people and gives the exit code for "did not work".
func fail(format string, values ...any) int {
	fmt.Fprintf(os.Stderr, "kdev-agent: "+format+"\n", values...)
	return 1
}
