package main

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// encoding/json would make this program a third larger, and all it would read is what kdev writes about probes.

const deepestJSON = 8

var errJSON = errors.New("not the JSON that was expected")

// parseJSON returns map[string]any, []any, string, float64, bool or nil.
func parseJSON(text string) (any, error) {
	r := jsonReader{rest: text}
	value, err := r.value(0)
	if r.space(); err == nil && r.rest != "" {
		err = errJSON
	}
	return value, err
}

type jsonReader struct{ rest string }

func (r *jsonReader) space() { r.rest = strings.TrimLeft(r.rest, " \t\r\n") }

// skip takes a token when it is next.
func (r *jsonReader) skip(token string) bool {
	r.space()
	rest, is := strings.CutPrefix(r.rest, token)
	r.rest = rest
	return is
}

func (r *jsonReader) value(depth int) (any, error) {
	switch {
	case depth > deepestJSON:
		return nil, errJSON
	case r.skip("{"):
		return r.object(depth)
	case r.skip("["):
		return r.array(depth)
	case strings.HasPrefix(r.rest, `"`):
		return r.text()
	case r.skip("null"):
		return nil, nil
	case r.skip("true"):
		return true, nil
	case r.skip("false"):
		return false, nil
	}
	end := 0
	for end < len(r.rest) && strings.IndexByte("+-.eE0123456789", r.rest[end]) >= 0 {
		end++
	}
	number, err := strconv.ParseFloat(r.rest[:end], 64)
	r.rest = r.rest[end:]
	if err != nil {
		return nil, errJSON
	}
	return number, nil
}

func (r *jsonReader) object(depth int) (any, error) {
	found := map[string]any{}
	for !r.skip("}") {
		if len(found) > 0 && !r.skip(",") {
			return nil, errJSON
		}
		r.space()
		key, err := r.text()
		if err != nil || !r.skip(":") {
			return nil, errJSON
		}
		if found[key], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (r *jsonReader) array(depth int) (any, error) {
	found := []any{}
	for !r.skip("]") {
		if len(found) > 0 && !r.skip(",") {
			return nil, errJSON
		}
		one, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

// text reads a string. Go's own literals have the same escapes, but for \/ and the halves of a surrogate pair.
func (r *jsonReader) text() (string, error) {
	if !strings.HasPrefix(r.rest, `"`) {
		return "", errJSON
	}
	var out strings.Builder
	rest := r.rest[1:]
	for {
		end := strings.IndexAny(rest, `"\`)
		if end < 0 || end+1 >= len(rest) && rest[end] == '\\' {
			return "", errJSON
		}
		out.WriteString(rest[:end])
		if rest[end] == '"' {
			r.rest = rest[end+1:]
			return out.String(), nil
		}
		char, after, err := escape(rest[end+1:])
		if err != nil {
			return "", err
		}
		out.WriteRune(char)
		rest = after
	}
}

func escape(text string) (rune, string, error) {
	if place := strings.IndexByte(`"\/bfnrt`, text[0]); place >= 0 {
		return rune("\"\\/\b\f\n\r\t"[place]), text[1:], nil
	}
	char, ok := hexRune(text)
	if !ok {
		return 0, "", errJSON
	}
	text = text[5:]
	if char >= 0xd800 && char < 0xdc00 && strings.HasPrefix(text, `\`) {
		if low, ok := hexRune(text[1:]); ok && low >= 0xdc00 && low < 0xe000 {
			return (char-0xd800)<<10 + (low - 0xdc00) + 0x10000, text[6:], nil
		}
	}
	if !utf8.ValidRune(char) {
		char = utf8.RuneError
	}
	return char, text, nil
}

// hexRune reads u and four hexadecimal digits.
func hexRune(text string) (rune, bool) {
	if len(text) < 5 || text[0] != 'u' {
		return 0, false
	}
	number, err := strconv.ParseUint(text[1:5], 16, 16)
	return rune(number), err == nil
}
