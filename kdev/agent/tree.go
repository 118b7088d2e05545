package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
)

// tree is the folder that everything stays in. Every path is walked from its top, one component at a time, and no
// component may be a link: what runs in the container can replace a folder by a link at any moment.
type tree struct{ top string }

// checkPath says whether a path from kdev may be looked up at all. The empty one is the tree itself.
func checkPath(path string, mayBeTop bool) error {
	if path == "" {
		if mayBeTop {
			return nil
		}
		return &fault{codeInput, "the path is empty", ""}
	}
	if len(path) > maxPath {
		return &fault{code: codeInput, text: "the path is longer than 4096 bytes"}
	}
	if strings.IndexByte(path, 0) >= 0 {
		return &fault{code: codeInput, text: "the path contains NUL"}
	}
	for rest, name, more := path, "", true; more; {
		name, rest, more = strings.Cut(rest, "/")
		if name == "" || name == "." || name == ".." || len(name) > maxName {
			return &fault{codeInput, "not a path below the synced folder", path}
		}
	}
	return nil
}

// folder opens the folder at path for lookups only. The caller closes it.
func (t *tree) folder(path string) (int, error) {
	at, err := syscall.Open(t.top, openPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	for path != "" && err == nil {
		var name string
		name, path, _ = strings.Cut(path, "/")
		var next int
		next, err = openAt(at, name, openPath|syscall.O_DIRECTORY, 0)
		_ = syscall.Close(at)
		at = next
	}
	if err != nil {
		return -1, err
	}
	return at, nil
}

func split(path string) (parent, name string) {
	cut := strings.LastIndexByte(path, '/')
	return path[:max(cut, 0)], path[cut+1:]
}

// parent opens the folder that path lies in, and makes it and those above it when asked to.
func (t *tree) parent(path string, make bool) (at int, name string, err error) {
	above, name := split(path)
	at, err = t.folder(above)
	if make && errors.Is(err, syscall.ENOENT) && above != "" {
		if err = t.makeFolders(above); err == nil {
			at, err = t.folder(above)
		}
	}
	return at, name, err
}

func (t *tree) makeFolders(path string) error {
	for end := 0; end < len(path); end++ {
		next := strings.IndexByte(path[end:], '/')
		if next < 0 {
			next = len(path) - end
		}
		end += next
		at, name, err := t.parent(path[:end], false)
		if err != nil {
			return err
		}
		err = syscall.Mkdirat(at, name, 0o755)
		if err == nil {
			t.adopt(at, name)
		}
		_ = syscall.Close(at)
		if err != nil && err != syscall.EEXIST {
			return err
		}
	}
	return nil
}

// adopt gives a new folder the owner of the one it lies in: an agent that is root works for programs that are not.
func (t *tree) adopt(at int, name string) {
	if os.Geteuid() != 0 {
		return
	}
	var above syscall.Stat_t
	if syscall.Fstat(at, &above) == nil {
		_ = syscall.Fchownat(at, name, int(above.Uid), int(above.Gid), noFollow)
	}
}

// look returns what is at path, of kind kindGone when nothing is. The tree itself is a folder with an empty path.
func (t *tree) look(path string) (entry, error) {
	above, name := path, "."
	if path != "" {
		above, name = split(path)
	}
	at, err := t.folder(above)
	if err == nil {
		defer syscall.Close(at)
		return lookAt(at, name, path)
	}
	if errors.Is(err, syscall.ENOENT) && path != "" {
		return entry{path: path}, nil
	}
	return entry{path: path}, err
}

// state is look for one of many paths: trouble with one must not hide the others.
func (t *tree) state(path string) entry {
	e, err := t.look(path)
	if err != nil {
		e = entry{path: path}
		// With a link or a file where a folder was, nothing of this path is in the tree.
		if faultAt(path, err).code != codeRefused {
			e.kind = kindClosed
		}
	}
	return e
}

func lookAt(at int, name, path string) (entry, error) {
	info, err := statAt(at, name)
	if errors.Is(err, syscall.ENOENT) {
		return entry{path: path}, nil
	}
	if err != nil {
		return entry{path: path}, err
	}
	e := entryOf(path, &info)
	if e.kind == kindLink {
		if e.extra, err = readLinkAt(at, name); errors.Is(err, syscall.ENOENT) {
			return entry{path: path}, nil
		}
		if len(e.extra) > maxPath {
			e.kind, e.extra = kindOther, ""
		}
	}
	return e, err
}

// open opens a file for reading. Anything but a file is an error, and is not opened.
func (t *tree) open(path string) (*os.File, *syscall.Stat_t, error) {
	at, name, err := t.parent(path, false)
	if err != nil {
		return nil, nil, err
	}
	defer syscall.Close(at)
	info, err := statAt(at, name)
	if err != nil {
		return nil, nil, err
	}
	if info.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, nil, &fault{codeRefused, "not a file", path}
	}
	// It may be something else by now, so: neither wait for a FIFO nor take a terminal, and look again.
	fd, err := openAt(at, name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	var opened syscall.Stat_t
	if err = syscall.Fstat(fd, &opened); err == nil && opened.Mode&syscall.S_IFMT != syscall.S_IFREG {
		err = &fault{codeRefused, "not a file", path}
	}
	if err != nil {
		_ = syscall.Close(fd)
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), name), &opened, nil
}

// names lists a folder, sorted by bytes.
func (t *tree) names(path string) ([]string, error) {
	at, err := t.folder(path)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(at)
	fd, err := openAt(at, ".", syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	found, err := file.Readdirnames(-1)
	slices.Sort(found)
	return found, err
}

// foldsCase tells by names that are there, since asking must not leave a trace. Without any, it is taken not to fold.
func (t *tree) foldsCase() bool {
	at, err := t.folder("")
	if err != nil {
		return false
	}
	defer syscall.Close(at)
	names, _ := t.names("")
	for _, name := range names {
		other := strings.ToUpper(name)
		if other == name {
			other = strings.ToLower(name)
		}
		if other == name {
			continue
		}
		if _, both := slices.BinarySearch(names, other); both {
			return false
		}
		one, err := statAt(at, name)
		if err != nil {
			continue
		}
		two, err := statAt(at, other)
		return err == nil && one.Ino == two.Ino && one.Dev == two.Dev
	}
	return false
}

const (
	draftPrefix = ".kdev-"
	draftSuffix = ".tmp"
	draftDigits = 16
)

func newDraftName() string {
	number := binary.BigEndian.AppendUint64(nil, rand.Uint64())
	return draftPrefix + hex.EncodeToString(number) + draftSuffix
}

func isDraft(name string) bool {
	if len(name) != len(draftPrefix)+draftDigits+len(draftSuffix) || !strings.HasPrefix(name, draftPrefix) {
		return false
	}
	digits, ends := strings.CutSuffix(name[len(draftPrefix):], draftSuffix)
	_, err := hex.DecodeString(digits)
	return ends && err == nil
}

// faultAt turns what the system said about a path into an answer.
func faultAt(path string, err error) *fault {
	var known *fault
	if errors.As(err, &known) {
		return known
	}
	code := uint16(codeTrouble)
	var number syscall.Errno
	if errors.As(err, &number) {
		switch number {
		case syscall.ENOENT:
			code = codeMissing
		case syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.EBUSY, syscall.ETXTBSY:
			code = codeDenied
		case syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EMFILE, syscall.ENFILE:
			code = codeFull
		case syscall.ENOTDIR, syscall.ELOOP, syscall.EISDIR:
			code = codeRefused
		case syscall.EINVAL, syscall.ENAMETOOLONG, syscall.EILSEQ:
			code = codeInput
		case syscall.ENOTEMPTY, syscall.EEXIST:
			code = codeNotEmpty
		}
		err = number
	}
	return &fault{code, err.Error(), path}
}
