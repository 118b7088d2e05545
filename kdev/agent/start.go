package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func init() { commands["start"] = start }

// orders says when a container's own program starts, and what happens to it then.
type orders struct {
	after    int    // how many init containers must have finished first
	mark     int    // which init container this is, from 1; 0 for none
	sidecar  bool   // an init container that goes on running: it has "finished" as soon as it starts
	liveness *check // when it fails, the program is killed and the engine starts the container again
	startup  *check // liveness begins when this has succeeded once
	grace    float64
}

// start runs a container's program when its turn has come: `start [flags] -- PROGRAM ARG…`. Without a reason to stay it
// replaces itself by the program.
func start(args []string) int {
	var o orders
	flags := flag.NewFlagSet("start", flag.ContinueOnError)
	flags.IntVar(&o.after, "after", 0, "")
	flags.IntVar(&o.mark, "mark", 0, "")
	flags.BoolVar(&o.sidecar, "sidecar", false, "")
	flags.Float64Var(&o.grace, "grace", 30, "")
	liveness := flags.String("liveness", "", "")
	startup := flags.String("startup", "", "")
	if err := flags.Parse(args); err != nil {
		return 64
	}
	var err error
	if o.liveness, err = parseCheck(*liveness); err != nil {
		return fail("%v", err)
	}
	if o.startup, err = parseCheck(*startup); err != nil {
		return fail("%v", err)
	}
	argv := flags.Args()
	if len(argv) == 0 {
		return fail("no program")
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		fail("%v", err)
		return 127
	}
	if o.after > 0 {
		// A stop while waiting must not be lost: as process 1 we get no default action for signals.
		waiting := make(chan os.Signal, 1)
		signal.Notify(waiting, syscall.SIGTERM, syscall.SIGINT)
		go func() { <-waiting; os.Exit(143) }()
		if err := askGate("wait", o.after); err != nil {
			return fail("cannot wait for the init containers: %v", err)
		}
		signal.Reset(syscall.SIGTERM, syscall.SIGINT)
	}
	if o.sidecar {
		if err := askGate("done", o.mark); err != nil {
			return fail("%v", err)
		}
		o.mark = 0
	}
	if o.mark == 0 && o.liveness == nil && o.startup == nil {
		fail("cannot run %s: %v", path, syscall.Exec(path, argv, os.Environ()))
		return 126
	}
	return o.supervise(path, argv)
}

func parseCheck(text string) (*check, error) {
	if text == "" {
		return nil, nil
	}
	return readCheck(text)
}

// supervise runs the program as a child: signals are passed on, orphans are reaped, probes are made. Its end is ours.
func (o *orders) supervise(path string, argv []string) int {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		fail("cannot run %s: %v", path, err)
		return 126
	}
	if o.liveness != nil || o.startup != nil {
		go o.watch(pid)
	}
	for got := range signals {
		if got != syscall.SIGCHLD {
			// SIGURG is how the Go runtime preempts its own threads.
			if number, ok := got.(syscall.Signal); ok && number != syscall.SIGURG {
				_ = syscall.Kill(pid, number)
			}
			continue
		}
		if status, ended := reap(pid); ended {
			return o.end(status)
		}
	}
	return 0
}

// reap collects every child that has ended; true when the program itself has.
func reap(main int) (syscall.WaitStatus, bool) {
	var status syscall.WaitStatus
	// It first: a probe that has ended too may be the one that is seen below, and signals are not counted.
	if pid, err := syscall.Wait4(main, &status, syscall.WNOHANG, nil); err == nil && pid == main {
		return status, true
	}
	for {
		var info siginfo
		// A probe's own command is waited for by os/exec, so look before taking.
		pid, err := peek(&info)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return 0, false
		}
		if pid != main && isProbe(pid) {
			return 0, false
		}
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
			return 0, false
		}
		if pid == main {
			return status, true
		}
	}
}

func (o *orders) end(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	if code := status.ExitStatus(); code != 0 {
		return code
	}
	if o.mark > 0 {
		if err := askGate("done", o.mark); err != nil {
			return fail("%v", err)
		}
	}
	return 0
}

// watch makes the startup probe until it succeeds, then the liveness probe for ever; it kills the program when either
// has failed too often.
func (o *orders) watch(pid int) {
	if o.startup != nil && !o.hold(o.startup, "startup", pid, true) {
		return
	}
	if o.liveness != nil {
		o.hold(o.liveness, "liveness", pid, false)
	}
}

func (o *orders) hold(c *check, name string, pid int, once bool) bool {
	time.Sleep(seconds(c.initialDelay, 0))
	failures, limit := 0, c.failureThreshold
	if limit <= 0 {
		limit = 3
	}
	for {
		_, err := c.run()
		if err == nil {
			if once {
				return true
			}
			failures = 0
		} else if failures++; failures >= limit {
			fmt.Fprintf(os.Stderr, "kdev: the %s probe failed %d times (%v); the container is restarted\n", name, failures, err)
			_ = syscall.Kill(pid, syscall.SIGTERM)
			time.Sleep(seconds(o.grace, 1))
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return false
		}
		time.Sleep(seconds(c.period, 10))
	}
}

func seconds(value, otherwise float64) time.Duration {
	if value <= 0 {
		value = otherwise
	}
	return time.Duration(value * float64(time.Second))
}
