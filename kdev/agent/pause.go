package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

func init() { commands["pause"] = pause }

// gateAddress is an abstract socket: it lives in the pod's network namespace, which all its containers share, and needs
// no file. So init containers take turns without anybody outside the pod.
const gateAddress = "@kdev.dev/gate"

// pause is the first process of a pod's sandbox. It holds the network namespace, reaps what is left to it, keeps the
// gate, and ends on SIGTERM.
func pause([]string) int {
	listener, err := net.Listen("unix", gateAddress)
	if err != nil {
		return fail("cannot open the gate: %v", err)
	}
	keeper := newGate()
	go keeper.serve(listener)

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for got := range signals {
		if got != syscall.SIGCHLD {
			return 0
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if err == syscall.EINTR {
				continue
			}
			if pid <= 0 || err != nil {
				break
			}
		}
	}
	return 0
}

// gate counts the init containers that have finished. They finish in order, so one number says everything.
type gate struct {
	lock    sync.Mutex
	changed *sync.Cond
	done    int
}

func newGate() *gate {
	g := &gate{}
	g.changed = sync.NewCond(&g.lock)
	return g
}

func (g *gate) serve(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go g.answer(connection)
	}
}

// answer serves one line: `wait N` is answered once N have finished, `done N` says that the Nth (from 1) has.
func (g *gate) answer(connection net.Conn) {
	defer connection.Close()
	line, err := bufio.NewReaderSize(connection, 64).ReadString('\n')
	if err != nil {
		return
	}
	var word string
	var number int
	if _, err := fmt.Sscanf(line, "%8s %d", &word, &number); err != nil {
		return
	}
	g.lock.Lock()
	switch word {
	case "done":
		if number > g.done {
			g.done = number
			g.changed.Broadcast()
		}
	case "wait":
		for g.done < number {
			g.changed.Wait()
		}
	}
	g.lock.Unlock()
	fmt.Fprintln(connection, "ok")
}

// askGate sends one line to the pod's gate and waits for its answer.
func askGate(word string, number int) error {
	connection, err := net.Dial("unix", gateAddress)
	if err != nil {
		return err
	}
	defer connection.Close()
	if _, err := fmt.Fprintf(connection, "%s %d\n", word, number); err != nil {
		return err
	}
	_, err = bufio.NewReader(connection).ReadString('\n')
	return err
}
