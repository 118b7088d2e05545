package main

import (
	"bufio"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() { commands["proxy"] = proxy }

const (
	backendTimeout = 3 * time.Second
	mostLinks      = 4096 // connections at one time, over all ports
)

// route is where one port leads. A table is replaced as a whole and never changed.
type route struct {
	sticky   bool
	backends []string
}

// balancer is a Service: it listens on the Service's ports and hands each connection to one of the backends.
type balancer struct {
	file      string
	table     atomic.Pointer[map[int]route]
	turn      atomic.Uint64
	links     chan struct{}
	lock      sync.Mutex
	listeners map[int]net.Listener
}

// proxy runs a balancer: `proxy FILE`. Each line of the file is `PORT rotate|sticky BACKEND…`. It is read again on SIGHUP;
// connections that stand are left alone.
func proxy(args []string) int {
	if len(args) != 1 {
		return fail("usage: proxy FILE")
	}
	b := &balancer{file: args[0], links: make(chan struct{}, mostLinks), listeners: map[int]net.Listener{}}
	b.table.Store(&map[int]route{})
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if err := b.load(); err != nil {
		return fail("%v", err)
	}
	for got := range signals {
		if got != syscall.SIGHUP {
			return 0
		}
		if err := b.load(); err != nil {
			fail("%v", err)
		}
	}
	return 0
}

// load reads the file, then opens and closes ports so that exactly those of the file are open.
func (b *balancer) load() error {
	table, err := readRoutes(b.file)
	if err != nil {
		return err
	}
	b.table.Store(&table)
	b.lock.Lock()
	defer b.lock.Unlock()
	for port, listener := range b.listeners {
		if _, wanted := table[port]; !wanted {
			_ = listener.Close()
			delete(b.listeners, port)
		}
	}
	for port := range table {
		if _, open := b.listeners[port]; open {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		b.listeners[port] = listener
		go b.accept(listener, port)
	}
	return nil
}

func readRoutes(file string) (map[int]route, error) {
	content, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	table := map[int]route{}
	lines := bufio.NewScanner(content)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		port, err := strconv.Atoi(words[0])
		if err != nil {
			return nil, err
		}
		table[port] = route{sticky: words[1] == "sticky", backends: words[2:]}
	}
	return table, lines.Err()
}

func (b *balancer) accept(listener net.Listener, port int) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		b.links <- struct{}{}
		go func() {
			defer func() { <-b.links }()
			b.serve(client, port)
		}()
	}
}

func (b *balancer) serve(client net.Conn, port int) {
	defer client.Close()
	backend := b.connect(client, port)
	if backend == nil {
		// A reset, not an orderly end: an empty answer must not look like one from the backend.
		if tcp, ok := client.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return
	}
	defer backend.Close()
	join(client, backend)
}

// connect tries every backend once, beginning with the one whose turn it is.
func (b *balancer) connect(client net.Conn, port int) net.Conn {
	to := (*b.table.Load())[port]
	count := uint64(len(to.backends))
	if count == 0 {
		return nil
	}
	start := b.turn.Add(1)
	if to.sticky {
		start = clientNumber(client)
	}
	for i := uint64(0); i < count; i++ {
		connection, err := net.DialTimeout("tcp", to.backends[(start+i)%count], backendTimeout)
		if err == nil {
			return connection
		}
	}
	return nil
}

func clientNumber(client net.Conn) uint64 {
	host, _, _ := net.SplitHostPort(client.RemoteAddr().String())
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(host))
	return sum.Sum64()
}
