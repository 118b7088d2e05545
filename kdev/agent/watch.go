package main

import (
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	noteWatching = 0
	noteLimit    = 1
	noteNoEvents = 2

	settleTime  = 5 * time.Millisecond // what follows within it is told together
	settleMost  = 100 * time.Millisecond
	pollEvery   = time.Second
	mostChanged = 50_000 // paths kept in mind at once; beyond that everything is to be scanned
	watchMask   = syscall.IN_CREATE | syscall.IN_DELETE | syscall.IN_MODIFY | syscall.IN_ATTRIB | syscall.IN_CLOSE_WRITE |
		syscall.IN_MOVED_FROM | syscall.IN_MOVED_TO | syscall.IN_DELETE_SELF | syscall.IN_MOVE_SELF | syscall.IN_ONLYDIR |
		syscall.IN_EXCL_UNLINK
)

// watcher tells what changes below one folder. One goroutine owns it.
type watcher struct {
	s       *server
	job     *job
	top     string
	rules   rules
	out     entryStream
	events  *os.File // nil when there is no inotify
	most    int      // watches to take; tests lower it
	byWatch map[int32]string
	byPath  map[string]int32
	polled  map[string]map[string]stamp // folders without events, with what was last seen in them
	changed map[string]bool             // true for what has just appeared
	lost    bool                        // the kernel dropped events
	gone    bool                        // the folder itself went away
}

// watch answers WATCH; it ends with an error only.
func (s *server) watch(j *job, c *cursor) (*entry, error) {
	top := c.text()
	left, err := c.rules()
	if err != nil {
		return nil, err
	}
	if c.bad || len(c.rest) > 0 {
		return nil, errMalformed
	}
	if err := checkPath(top, true); err != nil {
		return nil, err
	}
	at, err := s.tree.folder(top)
	if err != nil {
		return nil, faultAt(top, err)
	}
	_ = syscall.Close(at)
	w := newWatcher(s, j, top, left)
	return nil, w.run()
}

func newWatcher(s *server, j *job, top string, left rules) *watcher {
	w := &watcher{
		s: s, job: j, top: top, rules: left, out: entryStream{s: s.out, id: j.id}, most: 1 << 20,
		byWatch: map[int32]string{}, byPath: map[string]int32{},
		polled: map[string]map[string]stamp{}, changed: map[string]bool{},
	}
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err == nil {
		w.events = os.NewFile(uintptr(fd), "inotify")
	}
	return w
}

func (w *watcher) run() error {
	read := make(chan []byte)
	if w.events == nil {
		w.note(noteNoEvents, w.top, "no inotify here: looking once a second")
	} else {
		defer w.events.Close()
		go w.receive(read)
	}
	if err := w.cover(w.top, nil); err != nil {
		return faultAt(w.top, err)
	}
	w.note(noteWatching, "", "watching")
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	for {
		var tick <-chan time.Time
		if len(w.polled) > 0 {
			tick = ticks.C
		} else {
			ticks.Reset(24 * time.Hour) // not woken for nothing
		}
		select {
		case <-w.job.stop:
			return errStopped
		case <-tick:
			w.poll()
		case events, ok := <-read:
			if !ok {
				return faultAt(w.top, syscall.EIO)
			}
			w.take(events)
			w.settle(read)
		}
		before := len(w.polled)
		if err := w.tell(); err != nil {
			return err
		}
		if before == 0 && len(w.polled) > 0 {
			ticks.Reset(pollEvery)
		}
	}
}

// receive hands on what the kernel says, until the file is closed.
func (w *watcher) receive(to chan<- []byte) {
	defer close(to)
	for {
		buffer := make([]byte, 16<<10)
		count, err := w.events.Read(buffer)
		if err != nil || count <= 0 {
			return
		}
		select {
		case to <- buffer[:count]:
		case <-w.job.stop:
			return
		}
	}
}

// settle goes on taking events while they come thick and fast.
func (w *watcher) settle(read <-chan []byte) {
	end := time.Now().Add(settleMost)
	for time.Now().Before(end) {
		select {
		case events, ok := <-read:
			if !ok {
				return
			}
			w.take(events)
		case <-time.After(settleTime):
			return
		case <-w.job.stop:
			return
		}
	}
}

func (w *watcher) take(events []byte) {
	for len(events) >= syscall.SizeofInotifyEvent {
		watch := int32(binary.NativeEndian.Uint32(events))
		mask := binary.NativeEndian.Uint32(events[4:])
		length := int(binary.NativeEndian.Uint32(events[12:]))
		end := min(syscall.SizeofInotifyEvent+length, len(events))
		name := strings.TrimRight(string(events[syscall.SizeofInotifyEvent:end]), "\x00")
		events = events[end:]
		w.event(watch, mask, name)
	}
}

func (w *watcher) event(watch int32, mask uint32, name string) {
	if mask&syscall.IN_Q_OVERFLOW != 0 {
		w.lost = true
		return
	}
	folder, known := w.byWatch[watch]
	if !known {
		return
	}
	if mask&(syscall.IN_DELETE_SELF|syscall.IN_MOVE_SELF|syscall.IN_IGNORED) != 0 {
		if folder == w.top {
			w.gone = true
		}
		if mask&syscall.IN_MOVE_SELF == 0 {
			w.forget(folder)
		}
		return
	}
	path := below(folder, name)
	if name == "" {
		if folder != w.top {
			w.mark(folder, false)
		}
		return
	}
	if isDraft(name) {
		return
	}
	if mask&syscall.IN_ISDIR != 0 && mask&(syscall.IN_MOVED_FROM|syscall.IN_DELETE) != 0 {
		w.uncover(path)
	}
	w.mark(path, mask&syscall.IN_ISDIR != 0 && mask&(syscall.IN_CREATE|syscall.IN_MOVED_TO) != 0)
}

func below(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}

func (w *watcher) mark(path string, appeared bool) {
	if len(w.changed) >= mostChanged {
		w.lost = true
		return
	}
	w.changed[path] = w.changed[path] || appeared
}

func (w *watcher) forget(folder string) {
	delete(w.byWatch, w.byPath[folder])
	delete(w.byPath, folder)
}

// uncover drops a folder that went away, and all below it.
func (w *watcher) uncover(path string) {
	for folder, watch := range w.byPath {
		if folder == path || strings.HasPrefix(folder, path+"/") {
			_, _ = syscall.InotifyRmWatch(int(w.events.Fd()), uint32(watch))
			w.forget(folder)
		}
	}
	maps.DeleteFunc(w.polled, func(folder string, _ map[string]stamp) bool {
		return folder == path || strings.HasPrefix(folder, path+"/")
	})
}

// cover watches a folder and all below it, each before it is listed, so that nothing is missed in between; visit sees
// what is in it.
func (w *watcher) cover(folder string, visit func(e *entry)) error {
	if visit == nil {
		visit = func(*entry) {}
	}
	if !w.add(folder) {
		w.beginPolling(folder, visit)
		return nil
	}
	through := walk{tree: &w.s.tree, rules: w.rules, stop: w.job.stop, visit: visit}
	var poll []string
	through.enter = func(path string) bool {
		watched := w.add(path)
		if !watched {
			poll = append(poll, path)
		}
		return watched
	}
	err := through.below(folder)
	for _, path := range poll {
		if e, look := w.s.tree.look(path); look == nil {
			visit(&e)
		}
		w.beginPolling(path, visit)
	}
	return err
}

func (w *watcher) beginPolling(folder string, visit func(e *entry)) {
	w.polled[folder] = w.snapshot(folder)
	for _, path := range slices.Sorted(maps.Keys(w.polled[folder])) {
		if e, err := w.s.tree.look(path); err == nil {
			visit(&e)
		}
	}
}

// add watches one folder; false when it has to be polled. A folder that cannot be watched for its own reasons counts as
// watched: it cannot be listed either.
func (w *watcher) add(path string) bool {
	if w.events == nil {
		return false
	}
	at, err := w.s.tree.folder(path)
	if err != nil {
		return true
	}
	defer syscall.Close(at)
	if len(w.byPath) >= w.most {
		err = syscall.ENOSPC
	}
	watch := 0
	if err == nil {
		watch, err = syscall.InotifyAddWatch(int(w.events.Fd()), procPath(at), watchMask)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.ENOMEM) {
		if _, already := w.polled[path]; !already {
			w.note(noteLimit, path, "the limit of inotify watches is reached: looking once a second")
		}
		return false
	}
	if err == nil {
		// The kernel gives the same number to the same folder: a name that it had before is stale.
		if old, known := w.byWatch[int32(watch)]; known && old != path {
			delete(w.byPath, old)
		}
		w.byWatch[int32(watch)], w.byPath[path] = path, int32(watch)
	}
	return true
}

func (w *watcher) snapshot(folder string) map[string]stamp {
	seen := map[string]stamp{}
	through := walk{tree: &w.s.tree, rules: w.rules, stop: w.job.stop}
	through.visit = func(e *entry) { seen[e.path] = e.stamp }
	_ = through.below(folder)
	return seen
}

func (w *watcher) poll() {
	for folder, before := range w.polled {
		now := w.snapshot(folder)
		for path, state := range now {
			if before[path] != state {
				w.mark(path, false)
			}
		}
		for path := range before {
			if _, still := now[path]; !still {
				w.mark(path, false)
			}
		}
		w.polled[folder] = now
		if at, err := w.s.tree.folder(folder); err == nil {
			_ = syscall.Close(at)
		} else if folder == w.top {
			w.gone = true
		} else {
			delete(w.polled, folder)
		}
	}
}

// tell sends what has changed, and starts again after a loss.
func (w *watcher) tell() error {
	if w.gone {
		return &fault{codeMissing, "the folder is gone or was moved", w.top}
	}
	if w.lost {
		w.lost = false
		clear(w.changed)
		clear(w.polled)
		// Folders may have come and gone unseen. Watching one again is no work for the kernel.
		if err := w.cover(w.top, nil); err != nil {
			return faultAt(w.top, err)
		}
		w.s.out.send(tRescan, w.job.id, appendText(nil, w.top))
	}
	for _, path := range slices.Sorted(maps.Keys(w.changed)) {
		w.tellPath(path, w.changed[path])
	}
	clear(w.changed)
	w.out.flush()
	return nil
}

func (w *watcher) tellPath(path string, appeared bool) {
	e := w.s.tree.state(path)
	_, name := split(path)
	if e.kind == kindFolder && w.rules.leaveOut(path, name) {
		e.kind = kindPruned
	}
	w.out.add(&e)
	if e.kind == kindFolder && appeared {
		_ = w.cover(path, w.out.add)
	}
}

func (w *watcher) note(code uint16, path, text string) {
	payload := binary.BigEndian.AppendUint16(nil, code)
	w.s.out.send(tNote, w.job.id, appendText(appendText(payload, path), text))
}
