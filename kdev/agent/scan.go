package main

import (
	"crypto/sha256"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	scanWithDigests = 1
	nodesAtOnce     = 512       // looked at with one opened folder
	draftsLive      = time.Hour // then whoever wrote them is gone
)

var errStopped = &fault{code: codeCancelled, text: "cancelled"}

// rules leave folders out: by path, or by name anywhere.
type rules struct {
	paths map[string]bool
	names map[string]bool
}

func (c *cursor) rules() (rules, error) {
	count := int(c.u16())
	if count > maxRules {
		return rules{}, &fault{code: codeLimit, text: "more than 4096 rules"}
	}
	r := rules{map[string]bool{}, map[string]bool{}}
	for ; count > 0 && !c.bad; count-- {
		text := c.text()
		if path, byPath := strings.CutPrefix(text, "/"); byPath {
			r.paths[path] = true
		} else {
			r.names[text] = true
		}
	}
	return r, nil
}

func (r *rules) leaveOut(path, name string) bool { return r.names[name] || r.paths[path] }

// walk goes through a folder in the order that SCAN promises.
type walk struct {
	tree  *tree
	rules rules
	stop  <-chan struct{}
	clean bool                   // remove drafts that are left over
	enter func(path string) bool // called before a folder is told and listed; false leaves both to the caller
	visit func(e *entry)
}

func (w *walk) below(path string) error {
	names, err := w.tree.names(path)
	if err != nil {
		return err
	}
	for len(names) > 0 {
		count := min(len(names), nodesAtOnce)
		some, err := w.lookAll(path, names[:count])
		if err != nil {
			return err
		}
		names = names[count:]
		for i := range some {
			if err := w.node(&some[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookAll looks at some names of one folder; what has vanished meanwhile is not in the result.
func (w *walk) lookAll(path string, names []string) ([]entry, error) {
	select {
	case <-w.stop:
		return nil, errStopped
	default:
	}
	at, err := w.tree.folder(path)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(at)
	found := make([]entry, 0, len(names))
	for _, name := range names {
		full := name
		if path != "" {
			full = path + "/" + name
		}
		if isDraft(name) {
			if w.clean {
				removeOldDraft(at, name)
			}
			continue
		}
		if e, err := lookAt(at, name, full); err == nil && e.kind != kindGone && len(full) <= maxPath {
			found = append(found, e)
		}
	}
	return found, nil
}

func (w *walk) node(e *entry) error {
	if e.kind != kindFolder {
		w.visit(e)
		return nil
	}
	_, name := split(e.path)
	if w.rules.leaveOut(e.path, name) {
		e.kind = kindPruned
		w.visit(e)
		return nil
	}
	return w.into(e)
}

func (w *walk) into(e *entry) error {
	if w.enter != nil && !w.enter(e.path) {
		return nil
	}
	if !w.tree.readable(e.path) {
		e.kind = kindClosed
		w.visit(e)
		return nil
	}
	w.visit(e)
	if err := w.below(e.path); err == errStopped {
		return err
	}
	return nil // it vanished, or became something else: the next look will tell
}

// readable says whether a folder can be listed, and whether all that is in it can be told.
func (t *tree) readable(path string) bool {
	if len(path)+1+maxName > maxPath {
		return false
	}
	at, err := t.folder(path)
	if err != nil {
		return err == syscall.ENOENT || err == syscall.ENOTDIR
	}
	defer syscall.Close(at)
	fd, err := openAt(at, ".", syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return false
	}
	_ = syscall.Close(fd)
	// Listing needs r, looking at what is listed needs x.
	_, err = statAt(at, "..")
	return err == nil
}

func removeOldDraft(at int, name string) {
	info, err := statAt(at, name)
	if err == nil && info.Mode&syscall.S_IFMT == syscall.S_IFREG && time.Since(time.Unix(0, info.Mtim.Nano())) > draftsLive {
		_ = unlinkAt(at, name, 0)
	}
}

// scan answers SCAN.
func (s *server) scan(j *job, c *cursor) (*entry, error) {
	flags, path := c.u8(), c.text()
	left, err := c.rules()
	if err != nil {
		return nil, err
	}
	if c.bad || len(c.rest) > 0 {
		return nil, errMalformed
	}
	if err := checkPath(path, true); err != nil {
		return nil, err
	}
	top, err := s.tree.look(path)
	if err != nil {
		return nil, faultAt(path, err)
	}
	out := entryStream{s: s.out, id: j.id}
	visit := func(e *entry) {
		if flags&scanWithDigests != 0 {
			s.digest(j, e)
		}
		out.add(e)
	}
	switch {
	case top.kind == kindGone:
		return nil, faultAt(path, syscall.ENOENT)
	case top.kind != kindFolder:
		visit(&top)
	default:
		w := walk{tree: &s.tree, rules: left, stop: j.stop, clean: true, visit: visit}
		if err := w.below(path); err != nil {
			return nil, faultAt(path, err)
		}
	}
	out.flush()
	return nil, nil
}

// hash answers HASH.
func (s *server) hash(j *job, c *cursor) (*entry, error) {
	count := int(c.u32())
	if count > len(c.rest)/2 {
		return nil, errMalformed
	}
	paths := make([]string, 0, count)
	for range count {
		path := c.text()
		if c.bad {
			return nil, errMalformed
		}
		if err := checkPath(path, false); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	if len(c.rest) > 0 {
		return nil, errMalformed
	}
	out := entryStream{s: s.out, id: j.id}
	for _, path := range paths {
		select {
		case <-j.stop:
			return nil, errStopped
		default:
		}
		e := s.tree.state(path)
		s.digest(j, &e)
		out.add(&e)
	}
	out.flush()
	return nil, nil
}

// digest adds a file's SHA-256, with the state that it was read in. What cannot be read stays without.
func (s *server) digest(j *job, e *entry) {
	if e.kind != kindFile {
		return
	}
	file, info, err := s.tree.open(e.path)
	if err != nil {
		return
	}
	defer file.Close()
	before := entryOf(e.path, info)
	state := sha256.New()
	if err := pieces(file, int(min(e.size, 64<<10)), j.stop, func(piece []byte) { state.Write(piece) }); err != nil {
		return
	}
	after := e.stamp
	if syscall.Fstat(int(file.Fd()), info) == nil {
		after = entryOf(e.path, info).stamp
	}
	before.racy = before.racy || before.stamp != after
	before.extra = string(state.Sum(nil))
	*e = before
}

// pieces reads to the end; each piece is only good until the next.
func pieces(file *os.File, size int, stop <-chan struct{}, use func(piece []byte)) error {
	buffer := make([]byte, size+512) // the end shows in the same read for small files
	for {
		select {
		case <-stop:
			return errStopped
		default:
		}
		count, err := file.Read(buffer)
		if count > 0 {
			use(buffer[:count])
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// read answers READ.
func (s *server) read(j *job, c *cursor) (*entry, error) {
	path := c.text()
	if c.bad || len(c.rest) > 0 {
		return nil, errMalformed
	}
	if err := checkPath(path, false); err != nil {
		return nil, err
	}
	file, info, err := s.tree.open(path)
	if err != nil {
		return nil, faultAt(path, err)
	}
	defer file.Close()
	before := entryOf(path, info)
	for left := before.size; left > 0; {
		select {
		case <-j.stop:
			return nil, errStopped
		default:
		}
		piece := make([]byte, min(left, maxAnswer))
		if _, err := io.ReadFull(file, piece); err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, changed(path)
		} else if err != nil {
			return nil, faultAt(path, err)
		}
		s.out.send(tBytes, j.id, piece)
		left -= uint64(len(piece))
	}
	if err := syscall.Fstat(int(file.Fd()), info); err != nil {
		return nil, faultAt(path, err)
	}
	after := entryOf(path, info)
	if before.stamp != after.stamp {
		return nil, changed(path)
	}
	return &after, nil
}

func changed(path string) *fault { return &fault{codeChanged, "it has changed", path} }
