package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func init() { commands["probe"] = probe }

// check is one probe of a container, as kdev writes it in JSON (see readCheck). Exactly one of http, tcp and exec is set.
// Times are seconds.
type check struct {
	http             *httpCheck
	tcp              *tcpCheck
	exec             []string
	initialDelay     float64
	period           float64
	timeout          float64
	failureThreshold int
}

type httpCheck struct {
	host    string
	port    int
	path    string
	headers [][2]string
}

type tcpCheck struct {
	host string
	port int
}

// readCheck takes {"http": {"host", "port", "path", "headers": [[NAME, VALUE], …]}, "tcp": {"host", "port"}, "exec": [ARG, …],
// "initialDelay", "period", "timeout", "failureThreshold"}; what is not there, or null, is zero.
func readCheck(text string) (*check, error) {
	value, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	fields, _ := value.(map[string]any)
	if fields == nil {
		return nil, errJSON
	}
	c := &check{
		initialDelay: number(fields, "initialDelay"), period: number(fields, "period"),
		timeout: number(fields, "timeout"), failureThreshold: int(number(fields, "failureThreshold")),
	}
	if tcp, is := fields["tcp"].(map[string]any); is {
		c.tcp = &tcpCheck{host: words(tcp["host"]), port: int(number(tcp, "port"))}
	}
	if http, is := fields["http"].(map[string]any); is {
		c.http = &httpCheck{host: words(http["host"]), port: int(number(http, "port")), path: words(http["path"])}
		headers, _ := http["headers"].([]any)
		for _, header := range headers {
			if pair, _ := header.([]any); len(pair) == 2 {
				c.http.headers = append(c.http.headers, [2]string{words(pair[0]), words(pair[1])})
			}
		}
	}
	command, _ := fields["exec"].([]any)
	for _, argument := range command {
		c.exec = append(c.exec, words(argument))
	}
	return c, nil
}

func number(fields map[string]any, name string) float64 {
	found, _ := fields[name].(float64)
	return found
}

func words(value any) string {
	found, _ := value.(string)
	return found
}

// probe makes every check and says so with its exit code and one line each: `probe JSON…`. All must succeed.
func probe(args []string) int {
	if len(args) == 0 {
		return fail("usage: probe JSON…")
	}
	for _, text := range args {
		wanted, err := readCheck(text)
		if err != nil {
			return fail("%v", err)
		}
		said, err := wanted.run()
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(said)
	}
	return 0
}

func (c *check) run() (string, error) {
	timeout := time.Duration(c.timeout * float64(time.Second))
	if timeout <= 0 {
		timeout = time.Second
	}
	switch {
	case c.http != nil:
		return c.http.run(timeout)
	case c.tcp != nil:
		connection, err := net.DialTimeout("tcp", address(c.tcp.host, c.tcp.port), timeout)
		if err != nil {
			return "", err
		}
		return "connected", connection.Close()
	case len(c.exec) > 0:
		return runCommand(c.exec, timeout)
	}
	return "", errors.New("nothing to check")
}

// run asks with a plain HTTP/1.0 request, so that the server ends the answer; net/http would double this program's size.
func (h *httpCheck) run(timeout time.Duration) (string, error) {
	to := address(h.host, h.port)
	connection, err := net.DialTimeout("tcp", to, timeout)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(timeout))
	path := h.path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	head := "GET " + path + " HTTP/1.1\r\n"
	headers := map[string]string{"host": to, "user-agent": "kdev-probe", "accept": "*/*", "connection": "close"}
	for _, pair := range h.headers {
		headers[strings.ToLower(pair[0])] = pair[1]
	}
	for name, value := range headers {
		head += name + ": " + value + "\r\n"
	}
	if _, err := connection.Write([]byte(head + "\r\n")); err != nil {
		return "", err
	}
	line, err := bufio.NewReaderSize(connection, 4096).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("GET %s: no answer: %w", path, err)
	}
	var version string
	var status int
	if _, err := fmt.Sscanf(line, "%s %d", &version, &status); err != nil || !strings.HasPrefix(version, "HTTP/") {
		return "", fmt.Errorf("GET %s: the answer is not HTTP", path)
	}
	if status < 200 || status >= 400 {
		return "", fmt.Errorf("GET %s: HTTP %d", path, status)
	}
	return fmt.Sprintf("GET %s: HTTP %d", path, status), nil
}

func runCommand(argv []string, timeout time.Duration) (string, error) {
	limit, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	command := exec.CommandContext(limit, argv[0], argv[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	var output head
	command.Stdout, command.Stderr = &output, &output
	err := startProbe(command)
	if err == nil {
		err = endProbe(command)
	}
	said := strings.TrimSpace(string(output))
	if limit.Err() != nil {
		return "", fmt.Errorf("no end after %v", timeout)
	}
	if err != nil {
		return "", fmt.Errorf("%v %s", err, said)
	}
	return said, nil
}

// head keeps the beginning of what is written to it.
type head []byte

func (h *head) Write(more []byte) (int, error) {
	*h = append(*h, more[:min(len(more), 1024-len(*h))]...)
	return len(more), nil
}

// address is where a probe connects: the pod's own address, as the kubelet would. A server that listens on 127.0.0.1
// only is not ready for anybody else.
func address(host string, port int) string {
	if host == "" {
		host = ownAddress()
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}

func ownAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err == nil {
		for _, one := range addresses {
			if network, ok := one.(*net.IPNet); ok && !network.IP.IsLoopback() && network.IP.To4() != nil {
				return network.IP.String()
			}
		}
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "127.0.0.1"
}
