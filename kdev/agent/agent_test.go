package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

func rawFrame(kind byte, id uint32, payload string) []byte {
	raw := binary.BigEndian.AppendUint32(nil, uint32(frameHead+len(payload)))
	raw = binary.BigEndian.AppendUint32(append(raw, kind), id)
	return append(raw, payload...)
}

func TestFramesAreReadWholeOrNotAtAll(t *testing.T) {
	whole := rawFrame(tPing, 7, "abc")
	for name, one := range map[string]struct {
		raw  []byte
		want error
	}{
		"nothing":     {nil, io.EOF},
		"whole":       {whole, nil},
		"half a head": {whole[:2], io.ErrUnexpectedEOF},
		"no type":     {whole[:4], io.ErrUnexpectedEOF},
		"cut":         {whole[:len(whole)-1], io.ErrUnexpectedEOF},
		"too short":   {[]byte{0, 0, 0, 4}, errMalformed},
		"too long":    {[]byte{0, 16, 0, 6}, errMalformed},
	} {
		f, err := readFrame(bytes.NewReader(one.raw))
		if err != one.want {
			t.Errorf("%s: %v, not %v", name, err, one.want)
		}
		if err == nil && (f.kind != tPing || f.id != 7 || string(f.payload) != "abc") {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(rawFrame(tScan, 1, "\x00\x00\x00\x00\x01\x00\x01a"))
	f.Add(rawFrame(tWrite, 2, strings.Repeat("\x00", 60)))
	f.Add(rawFrame(tHash, 3, "\xff\xff\xff\xff"))
	f.Add([]byte{0, 0, 0, 4, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := bytes.NewReader(raw)
		for {
			read, err := readFrame(in)
			if err != nil {
				return
			}
			if len(read.payload) > maxPayload {
				t.Fatal("a payload above the limit")
			}
			c := &cursor{rest: read.payload}
			path := c.text()
			stamp := c.stamp()
			if c.bad && (stamp.inode != 0 || c.text() != "") {
				t.Fatal("something was read from what is not there")
			}
			_, _ = c.rules()
			if checkPath(path, false) == nil {
				if whole := filepath.Join("/top", path); whole != "/top/"+path {
					t.Fatalf("%q leads to %q", path, whole)
				}
			}
		}
	})
}

func TestPathsStayBelowTheTree(t *testing.T) {
	for path, fine := range map[string]bool{
		"a": true, "a/b": true, "..a": true, "a..": true, ".git": true, "a b/ü": true, "\xff": true,
		strings.Repeat("x", 255): true,
		"":                       false, "/": false, "/a": false, "a/": false, "a//b": false, ".": false, "..": false, "a/../b": false,
		"a/.": false, "a\x00b": false, strings.Repeat("x", 256): false, strings.Repeat("x/", 2048) + "x": false,
	} {
		if got := checkPath(path, false) == nil; got != fine {
			t.Errorf("%.40q: %v", path, got)
		}
	}
}

func TestExpectations(t *testing.T) {
	file := entry{stamp: stamp{kindFile, 5, 100, 200, 9}}
	folder := entry{stamp: stamp{kindFolder, 0, 100, 200, 9}}
	gone := entry{}
	for name, one := range map[string]struct {
		e    entry
		want stamp
		met  bool
	}{
		"the same":            {file, file.stamp, true},
		"no ctime, no inode":  {file, stamp{kindFile, 5, 100, 0, 0}, true},
		"another inode":       {file, stamp{kindFile, 5, 100, 200, 8}, false},
		"another ctime":       {file, stamp{kindFile, 5, 100, 201, 9}, false},
		"another size":        {file, stamp{kindFile, 4, 100, 200, 9}, false},
		"another mtime":       {file, stamp{kindFile, 5, 101, 200, 9}, false},
		"anyhow":              {file, stamp{kind: kindAnyhow}, true},
		"anyhow, not there":   {gone, stamp{kind: kindAnyhow}, true},
		"absent":              {gone, stamp{}, true},
		"not absent":          {file, stamp{}, false},
		"a folder, later":     {folder, stamp{kind: kindFolder}, true},
		"not a folder":        {file, stamp{kind: kindFolder}, false},
		"a folder for a file": {folder, file.stamp, false},
		"a file that is gone": {gone, file.stamp, false},
	} {
		if got := one.e.meets(one.want); got != one.met {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestJSON(t *testing.T) {
	for text, want := range map[string]any{
		`{}`: map[string]any{}, ` [ ] `: []any{}, `"a\"\\\/\n\u00e9\ud83d\ude00"`: "a\"\\/\né😀", `-1.5e2`: -150.0,
		`{"a":[1,true,null,"x"],"b":{"c":false}}`: map[string]any{
			"a": []any{1.0, true, nil, "x"}, "b": map[string]any{"c": false}},
	} {
		if got, err := parseJSON(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v", text, got, err)
		}
	}
	for _, text := range []string{``, `{`, `[1`, `[1 2]`, `{"a"}`, `{"a":1,}`, `{a:1}`, `"`, `"\`, `"\u12"`, `"\x"`, `1 1`, `+`,
		strings.Repeat("[", 100)} {
		if got, err := parseJSON(text); err == nil {
			t.Errorf("%s: %#v", text, got)
		}
	}
}

func TestChecksAreReadAsTheyAreWritten(t *testing.T) {
	got, err := readCheck(`{"timeout":1.5,"tcp":null,` +
		`"http":{"host":"","port":80,"path":"/x","headers":[["A","b"]]}}`)
	want := &check{timeout: 1.5,
		http: &httpCheck{port: 80, path: "/x", headers: [][2]string{{"A", "b"}}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDraftsAreKnownByTheirNames(t *testing.T) {
	for name, is := range map[string]bool{
		newDraftName(): true, ".kdev-0123456789abcdef.tmp": true, ".kdev-0123456789abcdeg.tmp": false,
		".kdev-0123456789abcdef.tmx": false, ".kdev-.tmp": false, ".kdev": false,
	} {
		if isDraft(name) != is {
			t.Error(name)
		}
	}
}

// told collects what a watcher sends, as the last entry of each path.
func told(t *testing.T, out io.Reader, enough func(seen map[string]entry, notes int) bool) {
	t.Helper()
	seen, notes := map[string]entry{}, 0
	for !enough(seen, notes) {
		f, err := readFrame(out)
		if err != nil {
			t.Fatalf("%v; told so far: %v, %d notes", err, seen, notes)
		}
		c := &cursor{rest: f.payload}
		switch f.kind {
		case tNote:
			notes++
		case tEntries:
			count := int(c.u32())
			records, texts := c.bytes(count*entryRecord), c.rest
			for i := range count {
				r := records[i*entryRecord:]
				path, extra := int(binary.BigEndian.Uint16(r[4:])), int(binary.BigEndian.Uint16(r[6:]))
				e := entry{path: string(texts[:path])}
				e.kind, e.size = r[0], binary.BigEndian.Uint64(r[8:])
				seen[e.path], texts = e, texts[path+extra:]
			}
		}
	}
}

func watching(t *testing.T, prepare func(w *watcher)) (top string, out *os.File) {
	t.Helper()
	top = t.TempDir()
	for _, folder := range []string{"a/b", "c"} {
		if err := os.MkdirAll(filepath.Join(top, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = out.SetReadDeadline(time.Now().Add(10 * time.Second))
	s := &server{tree: tree{top}, out: newSender(in)}
	j := &job{id: 1, stop: make(chan struct{})}
	w := newWatcher(s, j, "", rules{})
	prepare(w)
	ended := make(chan struct{})
	go func() { _ = w.run(); close(ended) }()
	t.Cleanup(func() {
		close(j.stop)
		<-ended
		s.out.finish()
		<-s.out.done
		_ = in.Close()
		_ = out.Close()
	})
	return top, out
}

func TestWhatCannotBeWatchedIsPolled(t *testing.T) {
	for name, one := range map[string]struct {
		prepare func(w *watcher)
		notes   int
	}{
		"no watches":     {func(w *watcher) { w.most = 0 }, 2},
		"one watch":      {func(w *watcher) { w.most = 1 }, 3},
		"three of four":  {func(w *watcher) { w.most = 3 }, 2},
		"no inotify":     {func(w *watcher) { _ = w.events.Close(); w.events = nil }, 2},
		"enough watches": {func(w *watcher) {}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top, out := watching(t, one.prepare)
			told(t, out, func(_ map[string]entry, notes int) bool { return notes == one.notes })
			write := func(path, content string) {
				if err := os.WriteFile(filepath.Join(top, path), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write("a/b/deep", "1")
			write("c/flat", "12")
			told(t, out, func(seen map[string]entry, _ int) bool {
				return seen["a/b/deep"].size == 1 && seen["c/flat"].size == 2
			})
			if err := os.RemoveAll(filepath.Join(top, "a")); err != nil {
				t.Fatal(err)
			}
			told(t, out, func(seen map[string]entry, _ int) bool {
				e, is := seen["a"]
				return is && e.kind == kindGone
			})
		})
	}
}

func TestAfterALossEverythingIsToBeScanned(t *testing.T) {
	top, out := watching(t, func(*watcher) {})
	w := &watcher{s: &server{tree: tree{top}}, job: &job{stop: make(chan struct{})}, changed: map[string]bool{"x": true}}
	w.event(-1, syscall.IN_Q_OVERFLOW, "")
	if !w.lost {
		t.Error("an overflow is no loss")
	}
	told(t, out, func(_ map[string]entry, notes int) bool { return notes == 1 })
	for n := len(w.changed); n < mostChanged; n++ {
		w.changed[strings.Repeat("y", n%200)+string(rune(n))] = true
	}
	w.lost = false
	for n := range mostChanged {
		w.mark("z"+string(rune(n)), false)
	}
	if !w.lost || len(w.changed) > mostChanged {
		t.Errorf("lost %v with %d paths in mind", w.lost, len(w.changed))
	}
}
