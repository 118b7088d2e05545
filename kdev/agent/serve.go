package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

func init() { commands["serve"] = serve }

// Exit codes of serve; see PROTOCOL.md.
const (
	exitProtocol = 65
	exitRoot     = 66
	exitVersion  = 69
	exitStream   = 74
)

const (
	helloMakesRoot = 1
	welcomeFolds   = 1
	mostPing       = 64
	mostLooks      = 64
	looksAtOnce    = 4
	mostIgnored    = 4096
	collectAt      = 50 // percent: this program sits beside the user's own, memory matters more than time
	partingTime    = 5 * time.Second
)

// job is a request that only looks and runs beside the others.
type job struct {
	id   uint32
	stop chan struct{}
}

// look does a job; its last answer is the END or ERROR that its result makes.
type look func(*job, *cursor) (*entry, error)

type server struct {
	tree    tree
	out     *sender
	slots   chan struct{}
	uploads map[uint32]*upload // only used by the goroutine that reads requests
	ignored map[uint32]bool    // uploads that have failed while kdev still sends; likewise
	lock    sync.Mutex
	jobs    map[uint32]*job
}

// serve speaks the protocol over stdin and stdout: `serve ROOT`.
func serve(args []string) int {
	if len(args) != 1 {
		fail("usage: serve ROOT")
		return 64
	}
	debug.SetGCPercent(collectAt)
	signal.Ignore(syscall.SIGPIPE) // a broken stdout is noticed by its error, and drafts are removed first
	out := newSender(os.Stdout)
	s := &server{
		out: out, slots: make(chan struct{}, looksAtOnce),
		uploads: map[uint32]*upload{}, ignored: map[uint32]bool{}, jobs: map[uint32]*job{},
	}
	frames := make(chan frame)
	ended := make(chan error, 1)
	go func() {
		in := bufio.NewReaderSize(os.Stdin, 64<<10)
		for {
			f, err := readFrame(in)
			if err != nil {
				ended <- err
				// Nobody may be taking answers any more, and the last one would wait for ever.
				time.AfterFunc(partingTime, func() { os.Exit(exitStream) })
				return
			}
			frames <- f
		}
	}()
	code := s.run(args[0], frames, ended)
	for _, u := range s.uploads {
		u.drop()
	}
	out.finish()
	<-out.done
	return code
}

// run answers requests until the stream ends, and returns the exit code.
func (s *server) run(root string, frames <-chan frame, ended <-chan error) int {
	greeted := false
	for {
		select {
		case f := <-frames:
			if f.kind == tHello == greeted {
				s.fail(f.id, errMalformed)
				return exitProtocol
			}
			if greeted {
				s.handle(f)
			} else if code := s.greet(f, root); code != 0 {
				return code
			}
			greeted = true
			if len(s.ignored) > mostIgnored {
				s.fail(0, errMalformed)
				return exitProtocol
			}
		case err := <-ended:
			if errors.Is(err, errMalformed) {
				s.fail(0, errMalformed)
				return exitProtocol
			}
			if err != io.EOF {
				return exitStream
			}
			return 0
		case <-s.out.done:
			return exitStream
		}
	}
}

// greet answers HELLO; 0 when the conversation can go on.
func (s *server) greet(f frame, root string) int {
	c := &cursor{rest: f.payload}
	protocol, flags := c.u16(), c.u8()
	if c.bad {
		s.fail(f.id, errMalformed)
		return exitProtocol
	}
	if protocol != protocolVersion {
		s.fail(f.id, &fault{code: codeUnsupported, text: "this agent speaks another protocol"})
		return exitVersion
	}
	if len(c.rest) > 0 {
		s.fail(f.id, errMalformed)
		return exitProtocol
	}
	if err := s.enter(root, flags&helloMakesRoot != 0); err != nil {
		s.fail(f.id, faultAt("", err))
		return exitRoot
	}
	sum, err := ownDigest()
	if err != nil {
		s.fail(f.id, faultAt("", err))
		return exitRoot
	}
	welcome := binary.BigEndian.AppendUint16(nil, protocolVersion)
	var folds byte
	if s.tree.foldsCase() {
		folds = welcomeFolds
	}
	welcome = binary.BigEndian.AppendUint32(append(welcome, folds), uint32(os.Geteuid()))
	welcome = appendText(appendText(appendText(welcome, version), sum), s.tree.top)
	s.out.send(tWelcome, f.id, welcome)
	return 0
}

func (s *server) enter(root string, create bool) error {
	if create {
		if err := os.MkdirAll(root, 0o755); err != nil {
			return err
		}
	}
	real, err := filepath.EvalSymlinks(root)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return err
	}
	s.tree.top = real
	at, err := s.tree.folder("")
	if err == nil {
		_ = syscall.Close(at)
	}
	return err
}

func appendText(to []byte, text string) []byte {
	text = text[:min(len(text), 1<<16-1)]
	return append(binary.BigEndian.AppendUint16(to, uint16(len(text))), text...)
}

func (s *server) handle(f frame) {
	c := &cursor{rest: f.payload}
	switch f.kind {
	case tPing:
		if len(f.payload) > mostPing {
			s.fail(f.id, errMalformed)
			return
		}
		s.out.send(tPong, f.id, f.payload)
	case tCancel:
		s.cancel(f.id)
	case tScan:
		s.start(f.id, s.inTurn(s.scan), c)
	case tHash:
		s.start(f.id, s.inTurn(s.hash), c)
	case tRead:
		s.start(f.id, s.inTurn(s.read), c)
	case tWatch:
		s.start(f.id, s.watch, c)
	case tData, tCommit:
		s.continueUpload(f)
	default:
		s.mutate(f, c)
	}
}

func (s *server) mutate(f frame, c *cursor) {
	var e *entry
	var err error
	switch f.kind {
	case tWrite:
		if s.uploads[f.id] != nil || s.ignored[f.id] {
			err = errMalformed
			break
		}
		if e, err = s.write(f.id, c); e == nil && err == nil {
			return // its content follows
		}
	case tMkdir:
		e, err = s.makeFolder(c)
	case tSymlink:
		e, err = s.makeLink(c)
	case tRemove:
		e, err = s.remove(c)
	case tChmod:
		e, err = s.setMode(c)
	default:
		err = &fault{code: codeUnsupported, text: "unknown type of frame"}
	}
	s.conclude(f.id, e, err)
}

func (s *server) continueUpload(f frame) {
	u := s.uploads[f.id]
	if u == nil {
		if !s.ignored[f.id] {
			s.fail(f.id, errMalformed)
		}
		if f.kind == tCommit {
			delete(s.ignored, f.id)
		}
		return
	}
	if f.kind == tCommit {
		delete(s.uploads, f.id)
		var err error
		if len(f.payload) > 0 {
			err = errMalformed
		}
		e, err := u.finish(err)
		s.conclude(f.id, e, err)
		return
	}
	if err := u.add(f.payload); err != nil {
		delete(s.uploads, f.id)
		s.ignored[f.id] = true
		_, err = u.finish(err)
		s.fail(f.id, err)
	}
}

func (s *server) cancel(id uint32) {
	delete(s.ignored, id)
	if u := s.uploads[id]; u != nil {
		delete(s.uploads, id)
		u.drop()
		s.fail(id, errStopped)
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if j := s.jobs[id]; j != nil {
		delete(s.jobs, id)
		close(j.stop)
	}
}

// start runs a request that only looks beside the others.
func (s *server) start(id uint32, work look, c *cursor) {
	j := &job{id: id, stop: make(chan struct{})}
	s.lock.Lock()
	var err error
	if s.jobs[id] != nil {
		err = errMalformed
	} else if len(s.jobs) >= mostLooks {
		err = &fault{code: codeLimit, text: "64 requests are waiting already"}
	} else {
		s.jobs[id] = j
	}
	s.lock.Unlock()
	if err != nil {
		s.fail(id, err)
		return
	}
	go func() {
		e, err := work(j, c)
		s.lock.Lock()
		if s.jobs[id] == j {
			delete(s.jobs, id)
		}
		s.lock.Unlock()
		s.conclude(id, e, err)
	}()
}

// inTurn runs work once it is one of the few that run.
func (s *server) inTurn(work look) look {
	return func(j *job, c *cursor) (*entry, error) {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
			return work(j, c)
		case <-j.stop:
			return nil, errStopped
		}
	}
}

func (s *server) conclude(id uint32, e *entry, err error) {
	if err != nil {
		s.fail(id, err)
		return
	}
	s.end(id, e)
}

func (s *server) end(id uint32, e *entry) {
	var list entryList
	if e != nil {
		list.add(e)
	}
	s.out.send(tEnd, id, list.payload())
}

const maxErrorText = 1024

func (s *server) fail(id uint32, err error) {
	known := faultAt("", err)
	text := known.text[:min(len(known.text), maxErrorText)]
	payload := binary.BigEndian.AppendUint16(nil, known.code)
	s.out.send(tError, id, appendText(appendText(payload, known.path), text))
}
