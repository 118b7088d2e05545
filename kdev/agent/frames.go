package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// A frame is: u32 length of what follows, u8 type, u32 request id, payload. All numbers are big-endian.
const (
	frameHead  = 5
	maxPayload = 1 << 20
	maxPath    = 4096
	maxRules   = 4096
	maxName    = 255
	maxAnswer  = 256 << 10 // of content, or of entries, in one frame: what waits to be sent is bounded by it
	mostWaits  = 16        // frames that wait to be sent
)

// What kdev sends.
const (
	tHello   = 0x01
	tPing    = 0x02
	tCancel  = 0x03
	tScan    = 0x10
	tHash    = 0x11
	tRead    = 0x12
	tWrite   = 0x20
	tData    = 0x21
	tCommit  = 0x22
	tMkdir   = 0x23
	tSymlink = 0x24
	tRemove  = 0x25
	tChmod   = 0x26
	tWatch   = 0x30
)

// What the agent sends.
const (
	tWelcome = 0x81
	tPong    = 0x82
	tEntries = 0x90
	tBytes   = 0x91
	tEnd     = 0x92
	tNote    = 0x93
	tRescan  = 0x94
	tError   = 0x9f
)

// Codes of tError.
const (
	codeMalformed   = 1
	codeChanged     = 2
	codeMissing     = 3
	codeDenied      = 4
	codeFull        = 5
	codeRefused     = 6
	codeInput       = 7
	codeUnsupported = 8
	codeLimit       = 9
	codeCancelled   = 10
	codeNotEmpty    = 11
	codeTrouble     = 12
)

// fault is an error that has its code already.
type fault struct {
	code uint16
	text string
	path string
}

func (f *fault) Error() string { return f.text }

var errMalformed = &fault{code: codeMalformed, text: "malformed frame"}

type frame struct {
	kind    byte
	id      uint32
	payload []byte
}

// readFrame returns io.EOF at the end of the stream between two frames, and errMalformed for a length out of bounds: what
// follows such a frame means nothing.
func readFrame(in io.Reader) (frame, error) {
	var head [4 + frameHead]byte
	if _, err := io.ReadFull(in, head[:4]); err != nil {
		return frame{}, err
	}
	length := binary.BigEndian.Uint32(head[:4])
	if length < frameHead || length > frameHead+maxPayload {
		return frame{}, errMalformed
	}
	if _, err := io.ReadFull(in, head[4:]); err != nil {
		return frame{}, unexpected(err)
	}
	f := frame{kind: head[4], id: binary.BigEndian.Uint32(head[5:])}
	f.payload = make([]byte, length-frameHead)
	if _, err := io.ReadFull(in, f.payload); err != nil {
		return frame{}, unexpected(err)
	}
	return f, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// sender writes frames from one goroutine, and flushes whenever nobody has more to say: many small answers are one write.
type sender struct {
	queue chan frame
	last  chan struct{} // closed when nothing more will be sent
	done  chan struct{}
	err   error // read it after done is closed
}

func newSender(out io.Writer) *sender {
	s := &sender{queue: make(chan frame, mostWaits), last: make(chan struct{}), done: make(chan struct{})}
	go s.run(bufio.NewWriterSize(out, 64<<10))
	return s
}

// send blocks while the other side is slow; it drops the frame once the stream is broken.
func (s *sender) send(kind byte, id uint32, payload []byte) {
	select {
	case s.queue <- frame{kind, id, payload}:
	case <-s.done:
	}
}

// finish sends what waits, then ends.
func (s *sender) finish() { close(s.last) }

func (s *sender) run(out *bufio.Writer) {
	defer close(s.done)
	for {
		select {
		case f := <-s.queue:
			s.err = s.write(out, f)
		default:
			if s.err = out.Flush(); s.err != nil {
				return
			}
			select {
			case f := <-s.queue:
				s.err = s.write(out, f)
			case <-s.last:
				return
			}
		}
		if s.err != nil {
			return
		}
	}
}

func (s *sender) write(out *bufio.Writer, f frame) error {
	var head [4 + frameHead]byte
	binary.BigEndian.PutUint32(head[:], uint32(frameHead+len(f.payload)))
	head[4] = f.kind
	binary.BigEndian.PutUint32(head[5:], f.id)
	if _, err := out.Write(head[:]); err != nil {
		return err
	}
	_, err := out.Write(f.payload)
	return err
}

// cursor takes a payload apart. After the first field that is not there, bad is set and everything reads as zero.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) bytes(n int) []byte {
	if c.bad || n > len(c.rest) {
		c.bad = true
		return make([]byte, min(n, 8))
	}
	taken := c.rest[:n:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) u8() byte    { return c.bytes(1)[0] }
func (c *cursor) u16() uint16 { return binary.BigEndian.Uint16(c.bytes(2)) }
func (c *cursor) u32() uint32 { return binary.BigEndian.Uint32(c.bytes(4)) }
func (c *cursor) u64() uint64 { return binary.BigEndian.Uint64(c.bytes(8)) }

// text is a u16 length and that many bytes.
func (c *cursor) text() string {
	n := int(c.u16())
	taken := c.bytes(n)
	if c.bad {
		return ""
	}
	return string(taken)
}
