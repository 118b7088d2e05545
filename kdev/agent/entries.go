package main

import (
	"encoding/binary"
	"syscall"
	"time"
)

// Kinds of entries.
const (
	kindGone    = 0
	kindFile    = 'f'
	kindFolder  = 'd'
	kindLink    = 'l'
	kindOther   = 'o' // a device, a socket, a FIFO: never touched
	kindPruned  = 'x' // left out by a rule; nothing below it is listed
	kindClosed  = 'u' // a folder that cannot be read: what is in it is unknown, not absent
	kindAnyhow  = 255 // in an expectation: whatever is there
	flagRacy    = 1   // changed so recently that another change would not show in its times
	racyWithin  = 50 * time.Millisecond
	entryRecord = 40
)

// stamp is how a path is known again: equal stamps that are not racy mean equal content.
type stamp struct {
	kind  byte
	size  uint64
	mtime int64
	ctime int64
	inode uint64
}

type entry struct {
	stamp
	racy bool
	mode uint16
	path string
	// extra is a link's target, or a file's SHA-256 when it was asked for.
	extra string
}

func entryOf(path string, info *syscall.Stat_t) entry {
	e := entry{path: path, mode: uint16(info.Mode & 0o777)}
	e.mtime, e.ctime, e.inode = info.Mtim.Nano(), info.Ctim.Nano(), info.Ino
	switch info.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		e.kind, e.size = kindFile, uint64(info.Size)
	case syscall.S_IFDIR:
		e.kind = kindFolder
	case syscall.S_IFLNK:
		e.kind, e.size = kindLink, uint64(info.Size)
	default:
		e.kind = kindOther
	}
	e.racy = time.Since(time.Unix(0, e.ctime)) < racyWithin
	return e
}

// meets says whether e is still what was expected; folders only have to be folders.
func (e *entry) meets(want stamp) bool {
	switch {
	case want.kind == kindAnyhow:
		return true
	case want.kind != e.kind:
		return false
	case e.kind != kindFile && e.kind != kindLink:
		return true
	}
	// Some file systems give a file another inode or ctime whenever it is looked at; then kdev sends none.
	return e.size == want.size && e.mtime == want.mtime &&
		(want.ctime == 0 || e.ctime == want.ctime) && (want.inode == 0 || e.inode == want.inode)
}

func (c *cursor) stamp() stamp {
	return stamp{c.u8(), c.u64(), int64(c.u64()), int64(c.u64()), c.u64()}
}

// entryList packs entries: u32 count, fixed records, then the texts of all of them. The reader takes the records apart in
// one call.
type entryList struct {
	count   uint32
	records []byte
	texts   []byte
}

// full says that another entry with texts of this length would not fit into a frame.
func (l *entryList) full(texts int) bool {
	return 4+len(l.records)+entryRecord+len(l.texts)+texts > maxAnswer
}

func (l *entryList) add(e *entry) {
	var flags byte
	if e.racy {
		flags |= flagRacy
	}
	r := append(l.records, e.kind, flags)
	r = binary.BigEndian.AppendUint16(r, e.mode)
	r = binary.BigEndian.AppendUint16(r, uint16(len(e.path)))
	r = binary.BigEndian.AppendUint16(r, uint16(len(e.extra)))
	r = binary.BigEndian.AppendUint64(r, e.size)
	r = binary.BigEndian.AppendUint64(r, uint64(e.mtime))
	r = binary.BigEndian.AppendUint64(r, uint64(e.ctime))
	l.records = binary.BigEndian.AppendUint64(r, e.inode)
	l.texts = append(append(l.texts, e.path...), e.extra...)
	l.count++
}

func (l *entryList) payload() []byte {
	out := make([]byte, 0, 4+len(l.records)+len(l.texts))
	out = binary.BigEndian.AppendUint32(out, l.count)
	return append(append(out, l.records...), l.texts...)
}

// entryStream sends entries in frames that are full.
type entryStream struct {
	s    *sender
	id   uint32
	list entryList
}

func (o *entryStream) add(e *entry) {
	if o.list.full(len(e.path) + len(e.extra)) {
		o.flush()
	}
	o.list.add(e)
}

func (o *entryStream) flush() {
	if o.list.count > 0 {
		o.s.send(tEntries, o.id, o.list.payload())
		o.list = entryList{}
	}
}
