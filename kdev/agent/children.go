package main

import (
	"os/exec"
	"sync"
	"syscall"
	"unsafe"
)

const (
	everyChild = 0         // P_ALL
	leaveChild = 0x1000000 // WNOWAIT
)

// siginfo is the kernel's siginfo_t on 64-bit machines, of which only the process id matters here.
type siginfo struct {
	_   [16]byte
	pid int32
	_   [108]byte
}

// peek returns a child that has ended, without taking it; 0 when there is none.
func peek(info *siginfo) (int, error) {
	*info = siginfo{}
	_, _, number := syscall.Syscall6(syscall.SYS_WAITID, everyChild, 0, uintptr(unsafe.Pointer(info)),
		syscall.WEXITED|syscall.WNOHANG|leaveChild, 0, 0)
	return int(info.pid), errnoOf(number)
}

// probes are the commands that os/exec waits for by itself.
var probes = struct {
	sync.Mutex
	running map[int]bool
}{running: map[int]bool{}}

// startProbe holds the lock from before the command exists, so that it cannot end unknown.
func startProbe(command *exec.Cmd) error {
	probes.Lock()
	defer probes.Unlock()
	err := command.Start()
	if err == nil {
		probes.running[command.Process.Pid] = true
	}
	return err
}

func endProbe(command *exec.Cmd) error {
	err := command.Wait()
	probes.Lock()
	defer probes.Unlock()
	delete(probes.running, command.Process.Pid)
	return err
}

func isProbe(pid int) bool {
	probes.Lock()
	defer probes.Unlock()
	return probes.running[pid]
}
