package main

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

func init() { commands["relay"] = relay }

const dialTimeout = 10 * time.Second

// relay joins stdin and stdout to a TCP port: `relay HOST:PORT`. It writes one `+` when the connection stands, so that
// whoever waits knows it from a refusal. The end of one direction leaves the other open.
func relay(args []string) int {
	if len(args) != 1 {
		return fail("usage: relay HOST:PORT")
	}
	connection, err := net.DialTimeout("tcp", args[0], dialTimeout)
	if err != nil {
		return fail("%v", err)
	}
	defer connection.Close()
	if _, err := os.Stdout.Write([]byte{'+'}); err != nil {
		return 1
	}
	go func() {
		_, _ = io.Copy(connection, os.Stdin)
		finishSending(connection)
	}()
	if _, err := io.Copy(os.Stdout, connection); err != nil {
		return fail("%v", err)
	}
	return 0
}

func finishSending(connection net.Conn) {
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// join copies both ways until both sides have finished, or one of them has broken.
func join(one, other net.Conn) {
	var both sync.WaitGroup
	both.Add(2)
	carry := func(to, from net.Conn) {
		defer both.Done()
		if _, err := io.Copy(to, from); err != nil {
			_ = to.Close()
			_ = from.Close()
			return
		}
		finishSending(to)
	}
	go carry(one, other)
	go carry(other, one)
	both.Wait()
}
