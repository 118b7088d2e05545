package main

import (
	"errors"
	"os"
	"strings"
	"syscall"
)

const (
	writeInPieces = 1
	writeTimes    = 2
	mostUploads   = 64
)

// upload is a file being written: a draft in the folder that it will appear in.
type upload struct {
	path  string
	name  string
	want  stamp
	mode  uint16
	mtime int64
	times bool
	at    int // its folder
	draft string
	file  int
	left  uint64
}

// write answers WRITE, or begins an upload.
func (s *server) write(id uint32, c *cursor) (*entry, error) {
	flags := c.u8()
	u := &upload{path: c.text(), want: c.stamp(), mode: c.u16(), mtime: int64(c.u64()), times: flags&writeTimes != 0}
	piecemeal := flags&writeInPieces != 0
	if piecemeal {
		u.left = c.u64()
		// Whatever goes wrong now, DATA and COMMIT are on their way.
		s.ignored[id] = true
	} else {
		u.left = uint64(len(c.rest))
	}
	if c.bad || piecemeal && len(c.rest) > 0 {
		return nil, errMalformed
	}
	if err := checkPath(u.path, false); err != nil {
		return nil, err
	}
	if piecemeal && len(s.uploads) >= mostUploads {
		return nil, &fault{codeLimit, "64 files are being written already", u.path}
	}
	if err := u.begin(&s.tree, piecemeal); err != nil {
		return nil, faultAt(u.path, err)
	}
	if piecemeal {
		delete(s.ignored, id)
		s.uploads[id] = u
		return nil, nil
	}
	err := u.add(c.rest)
	return u.finish(err)
}

func (u *upload) begin(t *tree, early bool) (err error) {
	if u.at, u.name, err = t.parent(u.path, true); err != nil {
		return err
	}
	if early {
		err = u.check() // so that a big file is not sent for nothing
	}
	if err == nil {
		u.draft = newDraftName()
		u.file, err = openAt(u.at, u.draft, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL, 0o600)
	}
	if err != nil {
		_ = syscall.Close(u.at)
	}
	return err
}

// check compares what is there with what is expected, and refuses what a file cannot take the place of.
func (u *upload) check() error {
	e, err := lookAt(u.at, u.name, u.path)
	if err != nil {
		return err
	}
	if !e.meets(u.want) {
		return changed(u.path)
	}
	return replaceable(&e)
}

func replaceable(e *entry) error {
	if e.kind == kindFolder {
		return &fault{codeRefused, "a folder is there", e.path}
	}
	if e.kind == kindOther {
		return &fault{codeRefused, "a device, socket or FIFO is there", e.path}
	}
	return nil
}

func (u *upload) add(content []byte) error {
	if uint64(len(content)) > u.left {
		return errMalformed
	}
	u.left -= uint64(len(content))
	for len(content) > 0 {
		count, err := syscall.Write(u.file, content)
		if err != nil && err != syscall.EINTR {
			return err
		}
		content = content[max(count, 0):]
	}
	return nil
}

// finish puts the file into place, unless something has gone wrong before. The upload is over either way.
func (u *upload) finish(before error) (*entry, error) {
	e, err := (*entry)(nil), before
	if err == nil && u.left > 0 {
		err = errMalformed
	}
	if err == nil {
		e, err = u.place()
	}
	if err != nil {
		u.drop()
		return nil, faultAt(u.path, err)
	}
	_ = syscall.Close(u.file)
	_ = syscall.Close(u.at)
	return e, nil
}

func (u *upload) drop() {
	_ = unlinkAt(u.at, u.draft, 0)
	_ = syscall.Close(u.file)
	_ = syscall.Close(u.at)
}

func (u *upload) place() (*entry, error) {
	if err := u.dress(); err != nil {
		return nil, err
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	err := renameAt(u.at, u.draft, u.name, u.want.kind == kindGone)
	if errors.Is(err, syscall.EEXIST) {
		err = changed(u.path)
	}
	if err != nil {
		return nil, err
	}
	var info syscall.Stat_t
	if err := syscall.Fstat(u.file, &info); err != nil {
		return nil, err
	}
	e := entryOf(u.path, &info)
	return &e, nil
}

// dress gives the draft its owner, mode and time; the mode after the owner, because a new owner takes bits away.
func (u *upload) dress() error {
	var like syscall.Stat_t
	like, err := statAt(u.at, u.name)
	if err != nil && os.Geteuid() == 0 {
		err = syscall.Fstat(u.at, &like)
	}
	if err == nil {
		_ = syscall.Fchown(u.file, int(like.Uid), int(like.Gid))
	}
	if err := syscall.Fchmod(u.file, uint32(u.mode&0o777)); err != nil {
		return err
	}
	if u.times {
		return setTimes(u.file, u.mtime)
	}
	return nil
}

// makeFolder answers MKDIR.
func (s *server) makeFolder(c *cursor) (*entry, error) {
	path, want, mode := c.text(), c.stamp(), c.u16()
	return s.change(c, path, true, func(at int, name string) error {
		e, err := lookAt(at, name, path)
		if err != nil {
			return err
		}
		if !e.meets(want) {
			return changed(path)
		}
		if e.kind == kindFolder {
			return nil
		}
		if e.kind != kindGone {
			return &fault{codeRefused, "something else than a folder is there", path}
		}
		if err := syscall.Mkdirat(at, name, 0o700); err != nil {
			if errors.Is(err, syscall.EEXIST) {
				return changed(path)
			}
			return err
		}
		s.tree.adopt(at, name)
		return changeMode(at, name, mode)
	})
}

// makeLink answers SYMLINK.
func (s *server) makeLink(c *cursor) (*entry, error) {
	path, want, target := c.text(), c.stamp(), c.text()
	return s.change(c, path, true, func(at int, name string) error {
		if target == "" || len(target) > maxPath || strings.IndexByte(target, 0) >= 0 {
			return &fault{codeInput, "a link cannot have this target", path}
		}
		draft := newDraftName()
		if err := linkAt(target, at, draft); err != nil {
			return err
		}
		s.tree.adopt(at, draft)
		u := upload{path: path, name: name, want: want, at: at}
		err := u.check()
		if err == nil {
			err = renameAt(at, draft, name, want.kind == kindGone)
		}
		if err != nil {
			_ = unlinkAt(at, draft, 0)
		}
		if errors.Is(err, syscall.EEXIST) {
			return changed(path)
		}
		return err
	})
}

// remove answers REMOVE.
func (s *server) remove(c *cursor) (*entry, error) {
	path, want := c.text(), c.stamp()
	gone := entry{path: path}
	_, err := s.change(c, path, false, func(at int, name string) error {
		e, err := lookAt(at, name, path)
		if err != nil {
			return err
		}
		if e.kind == kindGone {
			return syscall.ENOENT
		}
		if !e.meets(want) {
			return changed(path)
		}
		if e.kind == kindOther {
			return replaceable(&e)
		}
		if e.kind == kindFolder {
			return unlinkAt(at, name, removeDir)
		}
		return unlinkAt(at, name, 0)
	})
	var known *fault
	if errors.As(err, &known) && known.code == codeMissing && (want.kind == kindGone || want.kind == kindAnyhow) {
		return &gone, nil
	}
	return &gone, err
}

// setMode answers CHMOD.
func (s *server) setMode(c *cursor) (*entry, error) {
	path, want, mode := c.text(), c.stamp(), c.u16()
	return s.change(c, path, false, func(at int, name string) error {
		e, err := lookAt(at, name, path)
		if err != nil {
			return err
		}
		if !e.meets(want) {
			return changed(path)
		}
		switch e.kind {
		case kindGone:
			return syscall.ENOENT
		case kindFile, kindFolder:
			return changeMode(at, name, mode)
		}
		return &fault{codeRefused, "neither a file nor a folder", path}
	})
}

// changeMode does not follow a link that has taken the name's place: chmod by name would.
func changeMode(at int, name string, mode uint16) error {
	fd, err := openAt(at, name, openPath, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var info syscall.Stat_t
	if err := syscall.Fstat(fd, &info); err != nil {
		return err
	}
	if kind := info.Mode & syscall.S_IFMT; kind != syscall.S_IFREG && kind != syscall.S_IFDIR {
		return syscall.ELOOP
	}
	return syscall.Chmod(procPath(fd), uint32(mode&0o777))
}

// change opens the folder that path lies in, does the work there, and looks at the result.
func (s *server) change(c *cursor, path string, parents bool, work func(at int, name string) error) (*entry, error) {
	if c.bad || len(c.rest) > 0 {
		return nil, errMalformed
	}
	if err := checkPath(path, false); err != nil {
		return nil, err
	}
	at, name, err := s.tree.parent(path, parents)
	if err != nil {
		return nil, faultAt(path, err)
	}
	defer syscall.Close(at)
	if err := work(at, name); err != nil {
		return nil, faultAt(path, err)
	}
	e, err := lookAt(at, name, path)
	if err != nil {
		return nil, faultAt(path, err)
	}
	return &e, nil
}
