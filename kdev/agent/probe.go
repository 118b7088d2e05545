package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func init() { commands["probe"] = probe }

// check is one probe of a container, as kdev writes it in JSON (see readCheck). Exactly one of http and tcp is set; the
// timeout is in seconds.
type check struct {
	http    *httpCheck
	tcp     *tcpCheck
	timeout float64
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

// readCheck takes {"http": {"host", "port", "path", "headers": [[NAME, VALUE], …]}, "tcp": {"host", "port"}, "timeout"};
// what is not there, or null, is zero.
func readCheck(text string) (*check, error) {
	value, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	fields, _ := value.(map[string]any)
	if fields == nil {
		return nil, errJSON
	}
	c := &check{timeout: number(fields, "timeout")}
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
